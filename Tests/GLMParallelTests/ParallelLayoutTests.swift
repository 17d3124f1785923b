import GLMFiles
import GLMParallel
import GLMTestSupport
import Testing

@Suite struct ParallelLayoutTests {
    private func width(_ key: String, _ size: Int, _ parts: Int) -> ParallelLayout.Width {
        ParallelLayout.Width(key, size, parts: parts, option: "--tp-size")
    }

    @Test func whatDividesIsAccepted() throws {
        try ParallelLayout(tensor: 8, expert: 4).check([width("num_attention_heads", 64, 8)])
        try ParallelLayout.single.check([width("num_attention_heads", 3, 1)])
    }

    @Test func whatDoesNotDivideIsNamedWithTheDivisorsThatWouldDo() {
        expectRefused(
            .usage, containing: "--tp-size", "num_attention_heads 12 does not divide by 8",
            "vocab_size 30 does not divide by 8", "expected a division by 1, 2, 3 or 6"
        ) {
            try ParallelLayout(tensor: 8).check([
                width("num_attention_heads", 12, 8), width("vocab_size", 30, 8),
                width("moe_intermediate_size", 16, 8),
            ])
        }
    }

    @Test(arguments: [0, -1, 257])
    func anImpossibleNumberOfDevicesIsRefused(count: Int) {
        expectRefused(.usage, containing: "--tp-size: \(count)", "1 to 256") {
            try ParallelLayout(tensor: count).check([])
        }
    }

    @Test(arguments: [0, 3, 16])
    func groupsMustDivideTheDevices(groups: Int) {
        expectRefused(.usage, containing: "--ep-size: \(groups)", "1, 2, 4 or 8, which divide --tp-size 8") {
            try ParallelLayout(tensor: 8, expert: groups).check([])
        }
    }
}
