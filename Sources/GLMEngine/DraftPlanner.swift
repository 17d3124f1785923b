internal import GLMDecoding

/// Decides what every sequence of a step drafts, and learns from what that cost.
///
/// Automatic requests get the depth that pays for as many sequences as decode together. Once in a while all sequences
/// of a step decode plainly, so that a plain step's time is known and the speed-up can be told.
struct DraftPlanner: Sendable {
    /// A sequence that could draft.
    struct Candidate {
        var parameters: SpeculationParameters
        /// Tokens that may still be generated.
        var room: Int
        /// Rows that its cache may still take.
        var rows: Int
    }

    private struct Key: Hashable {
        /// Decoding sequences, as a power of two.
        var sequences: Int
        var maximum: Int
    }

    /// What was decided for the step that is running.
    private struct Decision {
        var key: Key?
        var shape = DraftShape.chain(0)
        var automatics = 0
        var sequences = 0
        var isPure = false
    }

    /// Hidden states of a sequence that may wait for the drafter.
    static let pendingRows = 32
    /// Steps between two plain ones that only measure.
    private static let plainDistance = 64

    private var choosers: [Key: DraftLengthChooser] = [:]
    private var plainSeconds: [Int: Double] = [:]
    private var pureSteps = 0
    private var decision = Decision()

    /// The draft of each candidate; without steps it decodes plainly.
    ///
    /// - Parameters:
    ///   - decoding: sequences that take part in the step and are past their prompt.
    ///   - isPure: whether nothing else takes part in it.
    ///   - drafter: says what drafts are expected to cost.
    mutating func plan(
        _ candidates: [Candidate], decoding: Int, isPure: Bool, drafter: any Drafter
    ) -> [DraftShape] {
        decision = Decision(sequences: decoding, isPure: isPure)
        if isPure { pureSteps += 1 }
        let measures = isPure && pureSteps % DraftPlanner.plainDistance == 2
        return candidates.map { candidate in
            let shape = candidate.parameters.shape
            let isAutomatic = candidate.parameters.isAutomatic
            let wanted = isAutomatic && !measures ? automatic(shape.steps, drafter) : shape
            let limited = measures ? .chain(0) : wanted
            return limited.limited(depth: candidate.room - 1, rows: candidate.rows)
        }
    }

    /// The shape of automatic drafts, the same for all of a step that may have it.
    private mutating func automatic(_ maximum: Int, _ drafter: any Drafter) -> DraftShape {
        let key = Key(sequences: DraftPlanner.bucket(decision.sequences), maximum: maximum)
        decision.automatics += 1
        if decision.key == key { return decision.shape }
        decision.key = key
        var chooser =
            choosers[key]
            ?? DraftLengthChooser(
                expecting: drafter.expectedCosts(upTo: maximum, sequences: key.sequences))
        decision.shape = chooser.choose()
        choosers[key] = chooser
        return decision.shape
    }

    /// Learns from the step that was planned last.
    mutating func observe(_ account: StepAccount) {
        guard decision.isPure, !account.rounds.isEmpty else { return }
        let verifySeconds = account.verifyTime / .seconds(1)
        if account.rounds.allSatisfy({ $0.depth == 0 }) {
            let bucket = DraftPlanner.bucket(decision.sequences)
            let before = plainSeconds[bucket] ?? verifySeconds
            plainSeconds[bucket] = before + 0.25 * (min(verifySeconds, 2 * before) - before)
        }
        // Others' drafts of fixed depth would be taken for the chooser's.
        guard let key = decision.key, decision.automatics == account.rounds.count else { return }
        choosers[key]?.observe(
            account.rounds.map(\.outcome), draftSeconds: account.draftTime / .seconds(1),
            verifySeconds: verifySeconds)
    }

    /// Seconds of a plain step of as many sequences; nil when none was measured.
    func plainSeconds(sequences: Int) -> Double? { plainSeconds[DraftPlanner.bucket(sequences)] }

    private static func bucket(_ count: Int) -> Int {
        var power = 1
        while power < count { power *= 2 }
        return power
    }
}
