package import GLMModel
import GLMTensor

/// Draft, verify, accept: several tokens a forward pass, and the output of plain decoding.
///
/// Source: specification §8.2 to §8.4. The engine takes the same steps among prompts of other requests.
package struct SpeculativeDecoder: Sendable {
    /// One sequence between two rounds.
    package struct Sequence: Sendable {
        /// The trunk's cache: everything but the root.
        package fileprivate(set) var cache: SequenceCache
        /// The token that is known and not yet run through the trunk.
        package fileprivate(set) var root: Int32
        package fileprivate(set) var draft: DraftState
        fileprivate var history: TokenHistory
        fileprivate let wishes: Verifier.Wishes
        /// Tokens of prompt and answer, the root included.
        package fileprivate(set) var length: Int
    }

    /// What one round did for one sequence.
    package struct Round: Sendable {
        /// The root the round began with.
        package let root: Int32
        package let draft: DraftTree
        /// The drafted tokens that stand, from the root on.
        package let path: [Int]
        /// The accepted tokens and one more of the trunk's own.
        package let emitted: [Int32]

        /// How many drafted tokens the trunk agreed with.
        package var accepted: Int { path.count }
    }

    /// What one round did and cost.
    package struct Outcome: Sendable {
        package let rounds: [Round]
        package let draftTime: Duration
        package let verifyTime: Duration
    }

    package let model: LanguageModel
    private let drafter: any Drafter

    /// Drafts with the MTP layer; nil for a model without one.
    /// - Parameter keepsLogits: whether drafts carry the logits behind their tokens.
    package init?(_ model: LanguageModel, keepsLogits: Bool = false) {
        guard let drafter = EagleDrafter(model, keepsLogits: keepsLogits) else { return nil }
        self.init(model, drafter: drafter)
    }

    /// Drafts with any drafter.
    package init(_ model: LanguageModel, drafter: any Drafter) {
        self.model = model
        self.drafter = drafter
    }

    /// Runs a prompt; the first token, its root, counts as emitted.
    package func begin(
        _ prompt: [Int32],
        wishes: Verifier.Wishes = Verifier.Wishes(parameters: .greedy, stops: [], rule: .exact)
    ) -> Sequence {
        var caches = [model.makeCache()]
        let output = model.forward(
            [SequenceStep(tokens: prompt, logitRows: 1, hiddenRows: prompt.count)], caches: &caches)
        var verifier = Verifier()
        var history = TokenHistory(prompt: prompt)
        let root = verifier.choose(
            output.logits.row(0), drafted: [], wishes: wishes, history: history, position: prompt.count)
        history.append(root)
        var states = [drafter.makeState(prompt: prompt)]
        states[0].commit(Array(prompt.dropFirst()) + [root], hidden: output.hidden, generated: 1)
        drafter.absorb(&states)
        return Sequence(
            cache: caches[0], root: root, draft: states[0], history: history, wishes: wishes,
            length: prompt.count + 1)
    }

    /// One round of all sequences: chains of `steps` drafts, verified in one ragged forward pass.
    package func round(steps: Int, _ sequences: inout [Sequence]) -> [Round] {
        round(.chain(steps), &sequences).rounds
    }

    /// One round of all sequences: a draft of this shape each; without steps it is plain decoding.
    package func round(_ shape: DraftShape, _ sequences: inout [Sequence]) -> Outcome {
        let clock = ContinuousClock()
        let start = clock.now
        var running: [Sequence] = []
        swap(&running, &sequences)
        let drafts = draft(shape, &running)
        let drafted = clock.now
        var caches = takeCaches(&running)
        let steps = running.indices.map { drafts[$0].step(root: running[$0].root, length: caches[$0].length) }
        let lengths = caches.map(\.length)
        let output = model.forward(steps, caches: &caches)
        var verifier = Verifier()
        var rounds: [Round] = []
        var first = 0
        for index in running.indices {
            let round = accept(drafts[index], output, first: first, &running[index], &verifier)
            first += steps[index].tokens.count
            caches[index].keep(round.path, of: drafts[index], behind: lengths[index])
            running[index].cache = caches[index]
            rounds.append(round)
        }
        let end = clock.now
        swap(&running, &sequences)
        return Outcome(
            rounds: rounds, draftTime: start.duration(to: drafted), verifyTime: drafted.duration(to: end))
    }

    private func draft(_ shape: DraftShape, _ sequences: inout [Sequence]) -> [DraftTree] {
        guard shape.steps > 0 else { return sequences.map { _ in DraftTree() } }
        // Moved, not copied: a second owner of a cache would make its pages be copied.
        let empty = DraftState(cache: nil, tokens: nil)
        var states: [DraftState] = []
        for index in sequences.indices {
            states.append(sequences[index].draft)
            sequences[index].draft = empty
        }
        let drafts = drafter.draft(states.map { _ in shape }, &states)
        for index in sequences.indices { sequences[index].draft = states[index] }
        return drafts
    }

    private func takeCaches(_ sequences: inout [Sequence]) -> [SequenceCache] {
        let empty = model.makeCache()
        return sequences.indices.map { index in
            let cache = sequences[index].cache
            sequences[index].cache = empty
            return cache
        }
    }

    private func accept(
        _ tree: DraftTree, _ output: ForwardOutput, first: Int, _ sequence: inout Sequence,
        _ verifier: inout Verifier
    ) -> Round {
        var emitted: [Int32] = []
        let path = Verifier.walk(tree, logits: output.logits, first: first) { row, drafted in
            let token = verifier.choose(
                row, drafted: drafted, wishes: sequence.wishes, history: sequence.history,
                position: sequence.length)
            sequence.history.append(token)
            sequence.length += 1
            emitted.append(token)
            return (token, true)
        }
        let root = sequence.root
        sequence.root = emitted[emitted.count - 1]
        let rows = [first] + path.map { first + 1 + $0 }
        sequence.draft.commit(emitted, hidden: output.hidden.rows(rows), generated: emitted.count)
        return Round(root: root, draft: tree, path: path, emitted: emitted)
    }
}

extension SequenceCache {
    /// Keeps the root's row and those of the accepted tokens of a verified draft.
    ///
    /// - Parameter length: rows before the root.
    package mutating func keep(_ path: [Int], of tree: DraftTree, behind length: Int) {
        compact(keeping: [length] + path.map { length + 1 + $0 }, from: length)
    }
}
