package import GLMModel
package import GLMTensor

/// Guesses what a sequence will say next.
///
/// Conformers are the MTP layer, and for tests and controls a mixture of right and wrong guesses. A drafter
/// decides how fast tokens come, never which.
package protocol Drafter: Sendable {
    /// What drafting remembers of a sequence of which only the prompt is known.
    func makeState(prompt: [Int32]) -> DraftState

    /// Takes in what was committed, so that memory stays bounded; nothing is drafted.
    func absorb(_ states: inout [DraftState])

    /// Drafts a tree of the given shape for every sequence, behind the token committed last.
    /// - Precondition: one shape a state, each with at least one step; something is committed in every state.
    func draft(_ shapes: [DraftShape], _ states: inout [DraftState]) -> [DraftTree]

    /// How long passes over up to `maximum` drafts for each of `sequences` sequences are expected to take, before any was
    /// measured.
    func expectedCosts(upTo maximum: Int, sequences: Int) -> RoundCosts
}

extension Drafter {
    /// A verified draft as two fifths of a plain step, drafting it as one tenth.
    package func expectedCosts(upTo maximum: Int, sequences: Int) -> RoundCosts {
        RoundCosts(verify: (0...maximum).map { 1 + 0.4 * Double($0) }, draft: 0.1)
    }
}

/// What drafting remembers of one sequence.
package struct DraftState: Sendable {
    /// Rows of the MTP layer that were computed from the trunk's hidden states; provisional rows never stay.
    package internal(set) var cache: SequenceCache?
    /// t_{i+1} of the positions whose hidden state is known and not yet in the cache.
    package private(set) var pendingTokens: [Int32] = []
    /// The trunk's hidden states of those positions, `[pending, hidden]`.
    private(set) var pendingHidden = Tensor(zeros: [0, 0])
    /// All tokens of the sequence, where the drafter wants to know them.
    private(set) var tokens: [Int32]?
    /// What the drafter was told of the sequence beforehand.
    let promise: Promise?

    /// How a sequence will go on, for a drafter that is right by chance.
    struct Promise: Sendable {
        /// All tokens, as far as they are known.
        var tokens: [Int32]
        /// Decides where the drafter is right.
        var random: CounterRandom
    }

    /// - Parameters:
    ///   - cache: where the MTP layer keeps its rows.
    ///   - tokens: the prompt, if all tokens are to be remembered.
    init(cache: SequenceCache?, tokens: [Int32]?, promise: Promise? = nil) {
        self.cache = cache
        self.tokens = tokens
        self.promise = promise
    }

    /// Tells what was verified: tokens, and the trunk's hidden states of the positions before them.
    ///
    /// In a prompt that is t_1 … t_n with the states of positions 0 ..< n, in one piece or in several.
    /// - Parameter generated: how many of the last tokens do not belong to the prompt.
    package mutating func commit(_ tokens: [Int32], hidden: Tensor, generated: Int) {
        precondition(generated <= tokens.count, "\(generated) of \(tokens.count) tokens are new")
        if self.tokens != nil { self.tokens?.append(contentsOf: tokens.suffix(generated)) }
        guard cache != nil else {
            pendingTokens = tokens.suffix(1)
            return
        }
        precondition(
            tokens.count == hidden.rowCount, "\(tokens.count) tokens, \(hidden.rowCount) hidden rows")
        if pendingTokens.isEmpty { pendingHidden = hidden } else { pendingHidden.append(hidden) }
        pendingTokens += tokens
    }

    /// Gives out the first rows that are pending.
    mutating func takePending(_ count: Int) -> (tokens: [Int32], hidden: Tensor) {
        let all = (pendingTokens, pendingHidden)
        guard count < pendingTokens.count else {
            (pendingTokens, pendingHidden) = ([], Tensor(zeros: [0, 0]))
            return all
        }
        pendingTokens = Array(all.0.dropFirst(count))
        pendingHidden = all.1.rows(Array(count..<all.0.count))
        return (Array(all.0.prefix(count)), all.1.rows(Array(0..<count)))
    }
}
