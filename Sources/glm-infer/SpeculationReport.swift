internal import GLMDecoding
internal import GLMFiles
internal import GLMInference

/// What drafting did, as lines for people and as JSON for programs.
struct SpeculationReport {
    var parameters: SpeculationParameters
    var statistics: SpeculationStatistics

    /// The lines behind a run's closing line.
    var lines: String {
        let shape = parameters.shape
        let steps = parameters.isAutomatic ? "auto, at most \(shape.steps) steps" : "\(shape.steps) steps"
        var lines = """
            speculation: EAGLE, \(steps), topk \(shape.topK), \(shape.rows) draft tokens | rounds: \(statistics.rounds) | \
            accept length: \(decimal(statistics.acceptLengthWithExtra, 2)) with the extra token, \
            \(decimal(statistics.acceptLengthWithoutExtra, 2)) drafts alone | accepted by position: \(positions)
            draft: \(Figure.seconds(statistics.draftTime)), verify: \(Figure.seconds(statistics.verifyTime)) | \
            \(speedUp)

            """
        if parameters.isAutomatic { lines += "auto: \(choices)\n" }
        return lines
    }

    private var positions: String {
        let shares = statistics.acceptancePerPosition.map { Figure.decimal($0, 2) }
        return shares.isEmpty ? "-" : shares.joined(separator: " ")
    }

    /// The estimate, and what it rests on.
    private var speedUp: String {
        guard let speedUp = statistics.speedUp, let plain = statistics.plainSecondsPerToken else {
            return "speed-up: - (no plain step was measured)"
        }
        return """
            speed-up: \(Figure.decimal(speedUp, 2)) x (estimated: a plain step takes \
            \(Figure.decimal(plain * 1e3, 2)) ms)
            """
    }

    /// `plain in 12 steps, 2 drafts in 80`
    var choices: String {
        var parts = statistics.plainSteps > 0 ? ["plain in \(statistics.plainSteps) steps"] : []
        for (index, count) in statistics.depthCounts.enumerated() where count > 0 {
            parts.append("\(index + 1) \(index == 0 ? "draft" : "drafts") in \(count)")
        }
        return parts.isEmpty ? "nothing was decoded" : parts.joined(separator: ", ")
    }

    /// Counts, seconds and ratios; null where nothing was measured.
    var json: JSON {
        let shape = parameters.shape
        return .object([
            JSON.Member("algorithm", .string("EAGLE")),
            JSON.Member("num_steps", parameters.isAutomatic ? .string("auto") : .integer(shape.steps)),
            JSON.Member("eagle_topk", .integer(shape.topK)),
            JSON.Member("num_draft_tokens", .integer(shape.rows)),
            JSON.Member("rounds", .integer(statistics.rounds)),
            JSON.Member("accept_length_with_extra_token", number(statistics.acceptLengthWithExtra)),
            JSON.Member("accept_length_drafts_only", number(statistics.acceptLengthWithoutExtra)),
            JSON.Member("accepted_counts", .array(statistics.acceptedCounts.map { .integer($0) })),
            JSON.Member(
                "acceptance_per_position", .array(statistics.acceptancePerPosition.map { number($0) })),
            JSON.Member("rounds_by_depth", .array(statistics.depthCounts.map { .integer($0) })),
            JSON.Member("plain_steps", .integer(statistics.plainSteps)),
            JSON.Member("draft_seconds", number(statistics.draftTime / .seconds(1))),
            JSON.Member("verify_seconds", number(statistics.verifyTime / .seconds(1))),
            JSON.Member("plain_seconds", number(statistics.plainTime / .seconds(1))),
            JSON.Member("plain_seconds_per_token", number(statistics.plainSecondsPerToken)),
            JSON.Member("estimated_speedup", number(statistics.speedUp)),
        ])
    }

    private func number(_ value: Double?) -> JSON { value.map { .number(Figure.decimal($0, 6)) } ?? .null }
    private func decimal(_ value: Double?, _ digits: Int) -> String {
        value.map { Figure.decimal($0, digits) } ?? "-"
    }
}
