internal import GLMDecoding

/// Decides what every sequence of a step drafts, and learns from what that cost.
///
/// Automatic requests draft what pays for as many sequences as decode together. Once in a while all sequences
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
        /// What was decided for automatic requests of each maximum.
        var shapes: [Int: DraftShape] = [:]
        var sequences = 0
        var isPure = false
    }

    /// Hidden states of a sequence that may wait for the drafter.
    static let pendingRows = 32
    /// Steps between two plain ones that only measure.
    private static let plainDistance = 64

    private var choosers: [Key: DraftLengthChooser] = [:]
    private var latest: Key?
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

    /// The shape of automatic drafts, the same for all of a step that have this maximum.
    private mutating func automatic(_ maximum: Int, _ drafter: any Drafter) -> DraftShape {
        if let shape = decision.shapes[maximum] { return shape }
        let key = key(maximum)
        var chooser = choosers[key] ?? makeChooser(key, drafter)
        let shape = chooser.choose()
        choosers[key] = chooser
        latest = key
        decision.shapes[maximum] = shape
        return shape
    }

    private func key(_ maximum: Int) -> Key {
        Key(sequences: DraftPlanner.bucket(decision.sequences), maximum: maximum)
    }

    /// Whether drafts stand does not depend on how many sequences there are.
    private func makeChooser(_ key: Key, _ drafter: any Drafter) -> DraftLengthChooser {
        let costs = drafter.expectedCosts(upTo: key.maximum, sequences: key.sequences)
        guard let known = latest.flatMap({ choosers[$0] }) else {
            return DraftLengthChooser(expecting: costs)
        }
        return DraftLengthChooser(expecting: costs, knowing: known)
    }

    /// Learns from the step that was planned last.
    mutating func observe(_ account: StepAccount) {
        let verifySeconds = account.verifyTime / .seconds(1)
        if decision.isPure, !account.rounds.isEmpty, account.rounds.allSatisfy({ $0.depth == 0 }) {
            let bucket = DraftPlanner.bucket(decision.sequences)
            let before = plainSeconds[bucket] ?? verifySeconds
            plainSeconds[bucket] = before + 0.25 * (min(verifySeconds, 2 * before) - before)
        }
        for maximum in decision.shapes.keys {
            let own = account.rounds.filter { $0.maximum == maximum }
            // Where others take part, prompts or other drafts, times are not those of these drafts.
            let isAlone = decision.isPure && own.count == decision.sequences
            choosers[key(maximum)]?.observe(
                own.map(\.outcome), draftSeconds: isAlone ? account.draftTime / .seconds(1) : 0,
                verifySeconds: isAlone ? verifySeconds : 0)
        }
    }

    /// Seconds of a plain step of as many sequences as the last one had; nil when none was measured.
    var plainSecondsOfStep: Double? { plainSeconds[DraftPlanner.bucket(decision.sequences)] }

    private static func bucket(_ count: Int) -> Int {
        var power = 1
        while power < count { power *= 2 }
        return power
    }
}
