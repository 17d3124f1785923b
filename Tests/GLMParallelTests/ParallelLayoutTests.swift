import GLMFiles
import GLMParallel
import GLMTestSupport
import Testing

@Suite struct ParallelLayoutTests {
    /// Widths that all devices divide.
    private func widths(_ sizes: KeyValuePairs<String, Int>) -> (ParallelLayout) -> [ParallelLayout.Width] {
        { layout in
            sizes.map { ParallelLayout.Width($0.key, $0.value, parts: layout.tensor, option: .tensor) }
        }
    }

    @Test func whatDividesIsAccepted() throws {
        try ParallelLayout(tensor: 8, expert: 4).check(widths(["num_attention_heads": 64]))
        try ParallelLayout.single.check(widths(["num_attention_heads": 3]))
    }

    @Test func whatDoesNotDivideIsNamedWithTheDivisorsThatWouldDo() {
        let sizes = widths(["num_attention_heads": 12, "vocab_size": 30, "moe_intermediate_size": 16])
        // 3 and 6 divide the two that are refused, and would be refused for the third.
        expectRefused(
            .usage, containing: "--tp-size", "num_attention_heads 12 does not divide by 8",
            "vocab_size 30 does not divide by 8", "expected a division by 1 or 2"
        ) {
            try ParallelLayout(tensor: 8).check(sizes)
        }
        expectRefused(.usage, containing: "expected a division by 1, 2, 3 or 6") {
            try ParallelLayout(tensor: 8).check(widths(["num_attention_heads": 12, "vocab_size": 30]))
        }
        expectRefused(.usage, containing: "expected a division by 1, 3 or 6") {
            try ParallelLayout(tensor: 8).check(
                widths(["vocab_size": 30, "q": 12]), where: { $0.tensor != 2 })
        }
    }

    @Test func whereNothingElseWouldDoThatIsSaid() {
        expectRefused(.usage, containing: "expected a division by 1: nothing else would do") {
            try ParallelLayout(tensor: 2).check(widths(["vocab_size": 15, "num_attention_heads": 4]))
        }
        expectRefused(
            .usage,
            containing: "expected other options: no --tp-size would do with --ep-size 2 and --dp-size 4"
        ) {
            try ParallelLayout(tensor: 8, expert: 2, data: 4).check(widths(["vocab_size": 15]))
        }
    }

    /// Where every device is a group, another number of devices is another number of groups.
    @Test func groupsFollowTheDevicesUnlessTheyWereChosen() {
        var layout = ParallelLayout(tensor: 8, data: 8)
        expectRefused(.usage, containing: "expected other options: no --tp-size would do with --dp-size 8") {
            try layout.check(widths(["vocab_size": 12]))
        }
        layout.isGroupForEachDevice = true
        expectRefused(
            .usage, containing: "expected --tp-size 1, 2, 3, 4, 6 or 12 with --enable-dp-attention"
        ) {
            try layout.check(widths(["vocab_size": 12]))
        }
    }

    @Test(arguments: [0, -1, 257])
    func anImpossibleNumberOfDevicesIsRefused(count: Int) {
        expectRefused(.usage, containing: "--tp-size: \(count)", "1 to 256") {
            try ParallelLayout(tensor: count).check()
        }
    }

    @Test(arguments: [0, 3, 16])
    func groupsMustDivideTheDevices(groups: Int) {
        expectRefused(.usage, containing: "--ep-size: \(groups)", "1, 2, 4 or 8, which divide --tp-size 8") {
            try ParallelLayout(tensor: 8, expert: groups).check()
        }
    }
}
