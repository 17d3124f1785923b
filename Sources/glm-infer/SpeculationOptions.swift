internal import ArgumentParser
internal import GLMDecoding

/// Whether and how tokens are drafted, by SGLang's names. Off unless an algorithm is named.
struct SpeculationOptions: ParsableArguments {
    @Option(
        name: .customLong("speculative-algorithm"),
        help: "EAGLE: the MTP layer drafts, the model verifies. The answer stays the same (default: off).")
    var algorithm: SpeculationAlgorithm?

    @Option(
        name: .customLong("speculative-num-steps"),
        help: "Drafted tokens on a path, or auto: as many as pay, by what is measured (default: 3).")
    var steps: SpeculationSteps?

    @Option(
        name: .customLong("speculative-eagle-topk"),
        help: "Children of a drafted token: 1 drafts a chain, more a tree (default: 1).")
    var topK: Int?

    @Option(
        name: .customLong("speculative-num-draft-tokens"),
        help:
            "Rows verified in a round, the root among them (default: steps + 1; of a tree steps x topk + 1).")
    var draftTokens: Int?

    @Option(
        name: .customLong("speculative-accept-threshold-single"), parsing: .unconditional,
        help: "A drafted token this probable stands; below 1 the answer's distribution changes (default: 1).")
    var singleThreshold: Double?

    @Option(
        name: .customLong("speculative-accept-threshold-acc"), parsing: .unconditional,
        help: "Divides the probability by which a draft stands; below 1 as above (default: 1).")
    var accumulatedThreshold: Double?

    func validate() throws {
        guard algorithm == nil else { return }
        let given = [
            ("num-steps", steps != nil), ("eagle-topk", topK != nil),
            ("num-draft-tokens", draftTokens != nil),
            ("accept-threshold-single", singleThreshold != nil),
            ("accept-threshold-acc", accumulatedThreshold != nil),
        ]
        guard let option = given.first(where: \.1)?.0 else { return }
        throw ValidationError("--speculative-\(option) needs --speculative-algorithm EAGLE")
    }

    /// What the options say; nil for plain decoding.
    func parameters() -> SpeculationParameters? {
        guard algorithm != nil else { return nil }
        return SpeculationParameters(
            steps: steps?.steps ?? .fixed(3), topK: topK ?? 1, draftTokens: draftTokens,
            singleThreshold: singleThreshold ?? 1, accumulatedThreshold: accumulatedThreshold ?? 1)
    }
}

/// `--speculative-algorithm`.
enum SpeculationAlgorithm: String, ExpressibleByArgument, CaseIterable {
    case eagle = "EAGLE"
}

/// A number of drafts, or `auto`.
struct SpeculationSteps: ExpressibleByArgument {
    let steps: SpeculationParameters.Steps

    init?(argument: String) {
        if argument == "auto" {
            steps = .automatic(maximum: SpeculationParameters.usualMaximum)
        } else if let count = Int(argument) {
            steps = .fixed(count)
        } else {
            return nil
        }
    }
}
