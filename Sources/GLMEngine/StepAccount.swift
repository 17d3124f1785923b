internal import GLMDecoding

/// What one step of the engine did for the sequences that speculate, and what it took.
struct StepAccount {
    /// One sequence's part.
    struct Round {
        var request: Int
        /// Depth of what was drafted; 0 is a plain step.
        var depth: Int
        var accepted: Int
        var emitted: Int
    }

    var draftTime: Duration
    var verifyTime = Duration.zero
    var rounds: [Round] = []
    /// Why requests of the step ended, by their index.
    var ends: [Int: StopReason] = [:]

    init(draftTime: Duration) { self.draftTime = draftTime }

    var seconds: Double { (draftTime + verifyTime) / .seconds(1) }

    mutating func enter(_ tree: DraftTree, accepted: Int, emitted: Int, request: Int) {
        rounds.append(Round(request: request, depth: tree.depth, accepted: accepted, emitted: emitted))
    }
}

extension SpeculationStatistics {
    /// Enters a sequence's part of a step.
    mutating func add(_ round: StepAccount.Round, _ account: StepAccount, plainSeconds: Double?) {
        if round.depth == 0 {
            addPlainStep(account.draftTime + account.verifyTime)
        } else {
            addRound(
                drafted: round.depth, accepted: round.accepted, emitted: round.emitted,
                draftTime: account.draftTime, verifyTime: account.verifyTime)
        }
        plainSecondsPerToken = plainSeconds ?? plainSecondsPerToken
    }
}
