package import GLMModel
import GLMTensor

/// Draft, verify, accept: several tokens a forward pass, and the output of plain greedy decoding.
///
/// Source: specification §8.2 and §8.3 (greedy acceptance of a chain).
package struct SpeculativeDecoder: Sendable {
    /// One sequence between two rounds.
    package struct Sequence: Sendable {
        /// The trunk's cache: everything but the root.
        package fileprivate(set) var cache: SequenceCache
        /// The token that is known and not yet run through the trunk.
        package fileprivate(set) var root: Int32
        fileprivate var draft: EagleDrafter.State
    }

    /// What one round did for one sequence.
    package struct Round: Sendable {
        /// The root the round began with.
        package let root: Int32
        package let draft: EagleDrafter.Draft
        /// How many drafted tokens the trunk agreed with.
        package let accepted: Int
        /// The accepted tokens and one more of the trunk's own.
        package let emitted: [Int32]
    }

    private let model: LanguageModel
    private let drafter: EagleDrafter

    /// nil for a model without an MTP layer.
    package init?(_ model: LanguageModel) {
        guard let drafter = EagleDrafter(model) else { return nil }
        self.model = model
        self.drafter = drafter
    }

    /// Runs a prompt; the first token, its root, counts as emitted.
    package func begin(_ prompt: [Int32]) -> Sequence {
        var caches = [model.makeCache()]
        let output = model.forward(
            [SequenceStep(tokens: prompt, logitRows: 1, hiddenRows: prompt.count)], caches: &caches)
        let root = Int32(Sampler.largest(of: output.logits.row(0)))
        let state = drafter.makeState(tokens: Array(prompt.dropFirst()) + [root], hidden: output.hidden)
        return Sequence(cache: caches[0], root: root, draft: state)
    }

    /// One round of all sequences: `steps` drafts each, verified in one ragged forward pass.
    package func round(steps: Int, _ sequences: inout [Sequence]) -> [Round] {
        var states = sequences.map(\.draft)
        let drafts = drafter.draft(steps: steps, &states)
        var caches = sequences.map(\.cache)
        let before = caches.map(\.length)
        let output = model.forward(
            zip(sequences, drafts).map { sequence, draft in
                SequenceStep(tokens: [sequence.root] + draft.tokens, logitRows: draft.tokens.count + 1)
            }, caches: &caches)
        var rounds: [Round] = []
        for index in sequences.indices {
            let first = index * (steps + 1)
            let choices = (0...steps).map { Int32(Sampler.largest(of: output.logits.row(first + $0))) }
            let accepted = zip(drafts[index].tokens, choices).prefix { $0 == $1 }.count
            let emitted = Array(choices[0...accepted])
            caches[index].truncate(to: before[index] + accepted + 1)
            drafter.commit(
                emitted, hidden: output.hidden.rows(Array(first...(first + accepted))), to: &states[index])
            rounds.append(
                Round(root: sequences[index].root, draft: drafts[index], accepted: accepted, emitted: emitted)
            )
            sequences[index] = Sequence(
                cache: caches[index], root: choices[accepted], draft: states[index])
        }
        return rounds
    }
}
