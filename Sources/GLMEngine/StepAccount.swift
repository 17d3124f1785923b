internal import GLMDecoding

/// What one step of the engine did for the sequences that speculate, and what it took.
struct StepAccount {
    /// One sequence's part.
    struct Round {
        var request: Int
        /// Depth of what was verified; 0 is a plain step.
        var depth: Int
        var accepted: Int
        /// What an automatic choice learns from.
        var outcome: DraftLengthChooser.Outcome
        /// The deepest draft that the request leaves to it; nil where its depth is fixed.
        var maximum: Int?
        var emitted: Int
    }

    var draftTime: Duration
    var verifyTime = Duration.zero
    var rounds: [Round] = []
    /// Why requests of the step ended, by their index.
    var ends: [Int: StopReason] = [:]

    init(draftTime: Duration) { self.draftTime = draftTime }

    /// - Parameters:
    ///   - isLast: whether the request ended with it.
    ///   - maximum: the deepest draft of an automatic request.
    mutating func enter(
        _ tree: DraftTree, accepted: Int, emitted: Int, isLast: Bool, request: Int, maximum: Int?
    ) {
        let outcome = DraftLengthChooser.Outcome(tree, accepted: accepted, isLast: isLast)
        rounds.append(
            Round(
                request: request, depth: tree.depth, accepted: accepted, outcome: outcome, maximum: maximum,
                emitted: emitted))
    }
}

extension SpeculationStatistics {
    /// Enters a sequence's part of a step.
    mutating func add(_ round: StepAccount.Round, _ account: StepAccount, plainSeconds: Double?) {
        if round.depth == 0 {
            addPlainStep(account.verifyTime, draftTime: account.draftTime)
        } else {
            addRound(
                drafted: round.depth, accepted: round.accepted, emitted: round.emitted,
                draftTime: account.draftTime, verifyTime: account.verifyTime)
        }
        plainSecondsPerToken = plainSeconds ?? plainSecondsPerToken
    }
}
