import GLMFiles
import GLMModel
import GLMParallel
import GLMSynthesis
import GLMTestSupport
import Testing

/// What the refusal of a layout offers is what would be accepted: no more and no less.
@Suite struct LayoutRefusalTests {
    /// Widths of random size with many small divisors, and layouts that mostly do not divide them.
    @Test(arguments: 0..<60)
    func whatIsOfferedIsWhatIsAccepted(seed: Int) throws {
        var random = SeededNumbers(seed: UInt64(seed))
        var configuration = try SyntheticModel(.nano, format: .bfloat16, seed: 0).layout.configuration
        configuration.vocabularySize = size(&random)
        configuration.headCount = size(&random)
        configuration.routedExpertCount = size(&random)
        configuration.denseIntermediateSize = size(&random)
        configuration.expertIntermediateSize = size(&random)
        configuration.sharedExpertCount = 1 + random.next(2)
        for _ in 0..<20 {
            let layout = layout(&random)
            guard let refusal = refusal(of: layout, configuration) else { continue }
            let expected = try #require(refusal.expected)
            let offered = numbers(expected)
            let option = try #require(refusal.subject)
            let accepted = (1...256).filter { value in
                self.refusal(of: setting(option, to: value, in: layout), configuration) == nil
            }
            // Of two numbers of groups that do not divide the devices, the first is told what does.
            let isOfTwo = [layout.expert, layout.data].allSatisfy { !layout.tensor.isMultiple(of: $0) }
            if !isOfTwo { #expect(offered == accepted, "\(layout), \(refusal)") }
            #expect(expected.contains("would do") == (accepted.count < 2 && !isOfTwo), "\(refusal)")
        }
    }

    /// Layouts of which the common divisors of what fails are not the answer.
    @Test func whatFailsIsNotAllThatCounts() throws {
        var configuration = try SyntheticModel(.nano, format: .bfloat16, seed: 0).layout.configuration
        configuration.routedExpertCount = 12
        configuration.expertIntermediateSize = 64
        configuration.headCount = 8
        (configuration.vocabularySize, configuration.denseIntermediateSize) = (512, 512)
        // 3, 6 and 12 divide the experts, and not the devices.
        expectRefused(
            .usage, containing: "n_routed_experts 12 does not divide by 8",
            "expected --ep-size 1, 2 or 4 with --tp-size 8"
        ) {
            try configuration.check(ParallelLayout(tensor: 8, expert: 8))
        }
        // Heads are divided by the devices of a group.
        expectRefused(
            .usage, containing: "num_attention_heads 8 does not divide by 16",
            "expected --tp-size 2, 4, 8 or 16 with --dp-size 2"
        ) {
            try configuration.check(ParallelLayout(tensor: 32, data: 2))
        }
        configuration.denseIntermediateSize = 200
        var each = ParallelLayout(tensor: 16, data: 16)
        each.isGroupForEachDevice = true
        expectRefused(
            .usage, containing: "intermediate_size 200 does not divide by 16",
            "expected --tp-size 1, 2, 4 or 8 with --enable-dp-attention"
        ) {
            try configuration.check(each)
        }
    }

    private func size(_ random: inout SeededNumbers) -> Int {
        [4, 6, 8, 12, 15, 16, 24, 64, 100, 128, 200, 512][random.next(12)]
    }

    private func layout(_ random: inout SeededNumbers) -> ParallelLayout {
        let devices = [2, 3, 4, 6, 8, 12, 16, 32, 48][random.next(9)]
        let groups = (1...devices).filter { devices.isMultiple(of: $0) || $0 == 5 }
        var layout = ParallelLayout(
            tensor: devices, expert: groups[random.next(groups.count)],
            data: groups[random.next(groups.count)])
        if layout.data == devices { layout.isGroupForEachDevice = random.next(2) == 0 }
        return layout
    }

    private func setting(_ option: String, to value: Int, in layout: ParallelLayout) -> ParallelLayout {
        var layout = layout
        switch option {
        case "--ep-size": layout.expert = value
        case "--dp-size": layout.data = value
        default:
            layout.tensor = value
            if layout.isGroupForEachDevice { layout.data = value }
        }
        return layout
    }

    private func refusal(of layout: ParallelLayout, _ configuration: GLMConfiguration) -> InputError? {
        do throws(InputError) {
            try configuration.check(layout)
            return nil
        } catch {
            return error
        }
    }

    /// The values that a text offers: its numbers up to what they stand beside.
    private func numbers(_ text: String) -> [Int] {
        var numbers: [Int] = []
        for word in text.split(whereSeparator: { " ,:".contains($0) }) {
            if word == "with" || word == "which" || word == "options" { break }
            if let number = Int(word) { numbers.append(number) }
        }
        return numbers
    }
}
