internal import ArgumentParser
internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMKernels

/// `speculate bench`: the speed of plain decoding and of several depths of drafts, in one run.
struct SpeculateBenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure what drafts gain, beside what their bytes allow.",
        discussion: """
            Plain decoding and all depths continue the same texts in turns of a few tokens, so that a machine that is \
            slower for a while is slower for all of them. The ideal ratio is what bytes alone allow: bytes of weights and \
            cache rows that a token of plain decoding must read, over those that a token takes with drafts.
            """)

    @OptionGroup var promptSet: PromptSetOptions
    @OptionGroup var model: ModelOptions

    @Option(
        name: [.customShort("n"), .customLong("new-tokens")],
        help: "Tokens of each sequence; prompt, these and 64 more must fit the context.")
    var tokens = 96

    @Option(name: .customLong("speculative-num-steps"), help: "Depths with commas; 0 is plain, auto chooses.")
    var steps = "0,1,2,3,4,5,auto"

    @Option(name: .long, help: "Numbers of sequences that decode in one batch, with commas.")
    var parallel = "1"

    @Option(name: .long, help: "Tokens of a turn.")
    var turn = 8

    @Flag(name: .long, help: "Print a JSON array, an object for each number of sequences.")
    var json = false

    func run() async throws {
        let candidates = try self.candidates()
        let batches = try numbers(parallel, "--parallel", 1...256)
        for (name, value, range) in [
            ("--new-tokens", tokens, 2...1_000_000), ("--turn", turn, 1...1_000_000),
        ] where !range.contains(value) {
            throw InputError(
                .usage, subject: name, found: "\(value)",
                expected: "\(range.lowerBound) to \(range.upperBound)")
        }
        let profile = Profile(laps: false)
        let prepared = try PreparedModel(model, profile: profile)
        try PromptSetOptions.requireDraftLayer(prepared.documents)
        // A round may run past its goal by the deepest draft.
        let prompts = try promptSet.load(prepared.documents, answer: tokens + 64)
        let loaded = try await prepared.load()
        let benchmark = SpeculationBenchmark(model: loaded.model.model, profile: profile)
        var tables: [SpeculationTable] = []
        for batch in batches {
            // One sequence: the prompts one after the other. More: as many prompts as sequences, repeated if need be.
            let groups =
                batch == 1 ? prompts.map { [$0] } : [(0..<batch).map { prompts[$0 % prompts.count] }]
            let results = benchmark.run(candidates, groups: groups, tokens: tokens, slice: turn)
            tables.append(SpeculationTable(batch: batch, results: results))
            if !json { try Console.output(tables[tables.count - 1].text + "\n") }
        }
        if json { try Console.output(JSON.array(tables.map(\.json)).text(.compact) + "\n") }
    }

    /// Plain decoding first: what everything is compared with.
    private func candidates() throws(InputError) -> [SpeculationBenchmark.Candidate] {
        var candidates: [SpeculationBenchmark.Candidate] = [.fixed(0)]
        for part in steps.split(separator: ",", omittingEmptySubsequences: false) {
            if part == "auto" {
                candidates.append(.automatic(SpeculationParameters.usualMaximum))
            } else {
                for count in try numbers(String(part), "--speculative-num-steps", 0...32, or: " or auto")
                where count > 0 {
                    candidates.append(.fixed(count))
                }
            }
        }
        return candidates
    }

    private func numbers(
        _ text: String, _ subject: String, _ range: ClosedRange<Int>, or word: String = ""
    ) throws(InputError) -> [Int] {
        var numbers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(part), range.contains(number) else {
                throw InputError(
                    .usage, subject: subject, found: "'\(part)'",
                    expected:
                        "whole numbers from \(range.lowerBound) to \(range.upperBound)\(word), with commas")
            }
            numbers.append(number)
        }
        return numbers
    }
}

/// The comparison of one batch size.
struct SpeculationTable {
    let batch: Int
    let results: [SpeculationBenchmark.Result]

    var text: String {
        guard let plain = results.first else { return "" }
        let head = [
            "drafts", "tokens/s", "x plain", "ideal x", "of ideal", "accept length", "MB/token", "draft time",
            "tokens",
        ]
        let rows = results.map { result in
            let (ratio, ideal) = (result.ratio(to: plain), result.idealRatio(to: plain))
            return [
                result.candidate.name, Figure.decimal(result.tokensPerSecond, 2), Figure.decimal(ratio, 3),
                Figure.decimal(ideal, 3), Figure.decimal(ratio / ideal, 3),
                result.statistics.acceptLengthWithExtra.map { Figure.decimal($0, 2) } ?? "-",
                Figure.decimal(result.bytesPerToken / 1e6, 1),
                Figure.decimal(100 * result.draftSeconds / result.seconds, 1) + " %",
                result.isEqual ? "equal" : "DIFFERENT",
            ]
        }
        return "\(batch) \(batch == 1 ? "sequence" : "sequences") at a time\n\n" + Figure.table(head, rows)
            + choices
    }

    /// What was chosen automatically.
    private var choices: String {
        guard case .automatic(let most)? = results.last?.candidate, let statistics = results.last?.statistics
        else { return "" }
        let report = SpeculationReport(
            parameters: SpeculationParameters(steps: .automatic(maximum: most)), statistics: statistics)
        return "auto: \(report.choices)\n"
    }

    var json: JSON {
        .object([
            JSON.Member("sequences", .integer(batch)),
            JSON.Member(
                "results",
                .array(
                    results.map { result in
                        .object([
                            JSON.Member("drafts", .string(result.candidate.name)),
                            JSON.Member("tokens", .integer(result.tokens)),
                            JSON.Member("seconds", JSON(result.seconds)),
                            JSON.Member("draft_seconds", JSON(result.draftSeconds)),
                            JSON.Member("tokens_per_second", JSON(result.tokensPerSecond)),
                            JSON.Member("bytes_per_token", JSON(result.bytesPerToken)),
                            JSON.Member("ratio_to_plain", JSON(result.ratio(to: results[0]))),
                            JSON.Member("ideal_ratio", JSON(result.idealRatio(to: results[0]))),
                            JSON.Member(
                                "accept_length_with_extra_token",
                                result.statistics.acceptLengthWithExtra.map { JSON($0) } ?? .null),
                            JSON.Member(
                                "rounds_by_depth",
                                .array(result.statistics.depthCounts.map { .integer($0) })),
                            JSON.Member("plain_steps", .integer(result.statistics.plainSteps)),
                            JSON.Member("tokens_equal", .bool(result.isEqual)),
                        ])
                    })),
        ])
    }
}
