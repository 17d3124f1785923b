internal import DequeModule

/// Decides which tokens of which sequences form the next forward pass. A value without clock, model or memory of text.
///
/// Each step takes one token of every sequence that is decoding, and a chunk of prompt tokens, shared in order of arrival
/// by the sequences that are not yet so far. Sequences join and leave between steps.
package struct Scheduler: Sendable {
    /// How much happens in one step.
    package struct Options: Sendable, Equatable {
        /// Prompt tokens a step takes at most, all sequences together.
        package var prefillChunk: Int
        /// Sequences that run at the same time; others wait in order of arrival.
        package var maximumSequences: Int

        /// - Precondition: both are at least 1.
        package init(prefillChunk: Int = 512, maximumSequences: Int = 32) {
            precondition(prefillChunk >= 1 && maximumSequences >= 1, "\(prefillChunk), \(maximumSequences)")
            self.prefillChunk = prefillChunk
            self.maximumSequences = maximumSequences
        }
    }

    /// A sequence's part of a step.
    package struct Share: Sendable, Equatable {
        package var sequence: Int
        package var tokens: [Int32]
        /// Whether all known tokens of the sequence are fed with this step, so that it needs a next one.
        package var isComplete: Bool
        /// Whether the prompt is behind the sequence, so that this is its newest token.
        package var isDecoding: Bool

        package init(sequence: Int, tokens: [Int32], isComplete: Bool, isDecoding: Bool = false) {
            self.isDecoding = isDecoding
            self.sequence = sequence
            self.tokens = tokens
            self.isComplete = isComplete
        }
    }

    private struct Entry {
        let sequence: Int
        /// Tokens that are known but not yet fed.
        var pending: ArraySlice<Int32>
        var isDecoding = false
    }

    private let options: Options
    private var running: [Entry] = []
    private var waiting: Deque<Entry> = []

    package init(options: Options) { self.options = options }

    /// Sequences that have not been removed, in order of arrival.
    package var sequences: [Int] { (running + waiting).map(\.sequence) }

    /// Queues a sequence behind all others.
    /// - Precondition: the prompt is not empty.
    package mutating func submit(_ sequence: Int, prompt: [Int32]) {
        precondition(!prompt.isEmpty, "sequence \(sequence) without a token")
        waiting.append(Entry(sequence: sequence, pending: prompt[...]))
    }

    /// Forgets a sequence. One that is not known is ignored.
    package mutating func remove(_ sequence: Int) {
        running.removeAll { $0.sequence == sequence }
        waiting.removeAll { $0.sequence == sequence }
    }

    /// Takes the tokens of the next step out of the queues; empty when there is nothing to do.
    package mutating func plan() -> [Share] {
        while running.count < options.maximumSequences, let next = waiting.popFirst() { running.append(next) }
        var budget = options.prefillChunk
        var shares: [Share] = []
        for index in running.indices where !running[index].pending.isEmpty {
            let pending = running[index].pending.count
            let count = running[index].isDecoding ? pending : min(pending, budget)
            guard count > 0 else { continue }
            if !running[index].isDecoding { budget -= count }
            let tokens = Array(running[index].pending.prefix(count))
            running[index].pending.removeFirst(count)
            shares.append(
                Share(
                    sequence: running[index].sequence, tokens: tokens, isComplete: count == pending,
                    isDecoding: running[index].isDecoding))
        }
        return shares
    }

    /// Tells the token that follows a complete share; it is fed in the next step.
    package mutating func commit(_ token: Int32, to sequence: Int) {
        guard let index = running.firstIndex(where: { $0.sequence == sequence }) else { return }
        running[index].pending.append(token)
        running[index].isDecoding = true
    }
}
