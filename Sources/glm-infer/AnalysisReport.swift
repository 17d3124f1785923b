internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMText

/// What `speculate analyse` prints.
struct AnalysisReport {
    let analysis: SpeculationAnalysis
    let prompts: [[Int32]]
    let parameters: SpeculationParameters
    let noise: Double?
    let tokenizer: Tokenizer
    let failures: Int

    /// Characters of text shown on each side of a failed draft.
    private static let context = 24

    private var statistics: SpeculationStatistics { analysis.statistics }

    /// Tokens a second with drafts over those without, decoding alone.
    private var ratio: Double? {
        let seconds = (statistics.draftTime + statistics.verifyTime) / .seconds(1)
        let plain = analysis.plainTime / .seconds(1)
        guard seconds > 0, plain > 0, analysis.plainTokens > 0 else { return nil }
        return (Double(statistics.emittedTokens) / seconds) / (Double(analysis.plainTokens) / plain)
    }

    var text: String {
        let shape = parameters.shape
        let drafter =
            noise.map { "drafts that are wrong with probability \(Figure.decimal($0, 2))" } ?? "MTP layer"
        return """
            \(prompts.count) prompts, \(analysis.answers.reduce(0) { $0 + $1.count }) tokens | \(drafter), \
            \(shape.steps) steps, topk \(shape.topK), \(shape.rows) draft tokens | answers with and without drafts: \
            \(analysis.isEqual ? "equal" : "DIFFERENT")
            rounds: \(statistics.rounds) | accept length: \(decimal(statistics.acceptLengthWithExtra)) with the extra \
            token, \(decimal(statistics.acceptLengthWithoutExtra)) drafts alone | draft: \
            \(Figure.seconds(statistics.draftTime)), verify: \(Figure.seconds(statistics.verifyTime)) | \
            \(decimal(ratio)) x plain decoding (measured)

            Share of examined drafts that stood, by position and by what the model's token is:

            \(classTable)

            Rounds by accepted drafts:

            \(histogram)

            """ + failureTable
    }

    private var classTable: String {
        let rows = analysis.shares(piece)
        let depth = rows.first?.positions.count ?? 0
        var all = [SpeculationAnalysis.Share](repeating: SpeculationAnalysis.Share(), count: depth)
        for row in rows {
            for (position, share) in row.positions.enumerated() {
                all[position].tried += share.tried
                all[position].accepted += share.accepted
            }
        }
        let head = ["class"] + (0..<depth).map { "position \($0 + 1)" } + ["examined"]
        let cells = (rows.map { ($0.kind.rawValue, $0.positions) } + [("all", all)]).map { name, positions in
            [name]
                + positions.map { share in
                    share.tried == 0 ? "-" : Figure.decimal(Double(share.accepted) / Double(share.tried), 3)
                } + ["\(positions.reduce(0) { $0 + $1.tried })"]
        }
        return Figure.table(head, cells)
    }

    private var histogram: String {
        let most = statistics.acceptedCounts.max() ?? 1
        let rows = statistics.acceptedCounts.enumerated().map { count, rounds in
            [
                "\(count)", "\(rounds)",
                Figure.decimal(100 * Double(rounds) / Double(max(1, statistics.rounds)), 1) + " %",
                String(repeating: "#", count: rounds * 40 / max(1, most)),
            ]
        }
        return Figure.table(["accepted", "rounds", "share", ""], rows)
    }

    /// The failed drafts that are shown: evenly spread over all of them.
    private var shown: [SpeculationAnalysis.Guess] {
        let failed = analysis.guesses.filter { !$0.isRight }
        guard failures > 0, failed.count > failures else { return failures > 0 ? failed : [] }
        return (0..<failures).map { failed[$0 * failed.count / failures] }
    }

    private var failureTable: String {
        guard !shown.isEmpty else { return "" }
        let rows = shown.map { guess in
            [
                "\(guess.prompt + 1)", "\(guess.position + 1)", quoted(before(guess), keepsEnd: true),
                quoted(piece(guess.drafted), keepsEnd: false), quoted(after(guess), keepsEnd: false),
            ]
        }
        return "\nDrafts that failed, \(shown.count) of \(analysis.guesses.count { !$0.isRight }):\n\n"
            + Figure.table(["prompt", "position", "text before", "drafted", "the model's text"], rows)
    }

    private func before(_ guess: SpeculationAnalysis.Guess) -> String {
        let tokens = prompts[guess.prompt] + analysis.answers[guess.prompt].prefix(guess.place)
        return tokenizer.decode(tokens.suffix(AnalysisReport.context), skipSpecial: false)
    }

    private func after(_ guess: SpeculationAnalysis.Guess) -> String {
        let rest = analysis.answers[guess.prompt].dropFirst(guess.place).prefix(AnalysisReport.context)
        return tokenizer.decode(Array(rest), skipSpecial: false)
    }

    private func piece(_ token: Int32) -> String { tokenizer.decode([token], skipSpecial: false) }

    /// At most `context` characters on one line, in quotes.
    private func quoted(_ text: String, keepsEnd: Bool) -> String {
        let line = text.reduce(into: "") { $0 += $1 == "\n" ? "\\n" : $1 == "\t" ? "\\t" : String($1) }
        let cut = keepsEnd ? line.suffix(AnalysisReport.context) : line.prefix(AnalysisReport.context)
        return "'\(cut)'"
    }

    private func decimal(_ value: Double?) -> String { value.map { Figure.decimal($0, 2) } ?? "-" }

    var json: JSON {
        .object([
            JSON.Member("prompts", .integer(prompts.count)),
            JSON.Member("draft_noise", noise.map { JSON($0) } ?? .null),
            JSON.Member("answers_equal", .bool(analysis.isEqual)),
            JSON.Member("plain_seconds", JSON(analysis.plainTime / .seconds(1))),
            JSON.Member("plain_tokens", .integer(analysis.plainTokens)),
            JSON.Member("ratio_to_plain", ratio.map { JSON($0) } ?? .null),
            JSON.Member(
                "speculation", SpeculationReport(parameters: parameters, statistics: statistics).json),
            JSON.Member(
                "classes",
                .array(
                    analysis.shares(piece).map { kind, positions in
                        .object([
                            JSON.Member("class", .string(kind.rawValue)),
                            JSON.Member("examined", .array(positions.map { .integer($0.tried) })),
                            JSON.Member("accepted", .array(positions.map { .integer($0.accepted) })),
                        ])
                    })),
            JSON.Member(
                "failures",
                .array(
                    shown.map { guess in
                        .object([
                            JSON.Member("prompt", .integer(guess.prompt)),
                            JSON.Member("place", .integer(guess.place)),
                            JSON.Member("position", .integer(guess.position + 1)),
                            JSON.Member("before", .string(before(guess))),
                            JSON.Member("drafted", .string(piece(guess.drafted))),
                            JSON.Member("drafted_token", .integer(Int(guess.drafted))),
                            JSON.Member("actual", .string(piece(guess.actual))),
                            JSON.Member("actual_token", .integer(Int(guess.actual))),
                            JSON.Member("after", .string(after(guess))),
                        ])
                    })),
        ])
    }
}
