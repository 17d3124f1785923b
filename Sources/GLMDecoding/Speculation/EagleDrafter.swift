package import GLMModel
import GLMTensor

/// Drafts with the MTP layer: each sequence's next tokens as a chain of the most likely ones, or as a tree.
///
/// Source: specification §8.2, steps 1 and 2, and §8.4; SGLang's EAGLE worker.
package struct EagleDrafter: Drafter {
    private let model: LanguageModel
    private let keepsLogits: Bool
    /// Whether later steps of a round attend to the keys that its first step chose.
    private var sharesIndex: Bool { model.configuration.sharesIndexAcrossDrafts }

    /// nil for a model without an MTP layer.
    /// - Parameter keepsLogits: whether drafts carry the logits behind their tokens.
    package init?(_ model: LanguageModel, keepsLogits: Bool = false) {
        guard model.eagleHead != nil else { return nil }
        self.model = model
        self.keepsLogits = keepsLogits
    }

    package func makeState(prompt: [Int32]) -> DraftState {
        DraftState(cache: model.makeDraftCache(), tokens: nil)
    }

    /// All pending rows but the last, which the next draft begins with.
    package func absorb(_ states: inout [DraftState]) {
        var caches = takeCaches(&states)
        let steps = states.indices.map { index in
            let (tokens, hidden) = states[index].takePending(max(0, states[index].pendingTokens.count - 1))
            return EagleStep(tokens: tokens, hidden: hidden, logitRows: 0)
        }
        let busy = steps.indices.filter { !steps[$0].tokens.isEmpty }
        if !busy.isEmpty { _ = run(busy, of: &caches) { steps[$0] } }
        for index in states.indices { states[index].cache = caches[index] }
    }

    /// Extends the draft caches by what was committed, then drafts.
    ///
    /// Rows that were only drafted are dropped from the caches, accepted or not: the next extension computes them
    /// from the trunk's hidden states.
    package func draft(_ shapes: [DraftShape], _ states: inout [DraftState]) -> [DraftTree] {
        precondition(shapes.allSatisfy { $0.steps >= 1 }, "a draft of no steps")
        var caches = takeCaches(&states)
        let first = run(Array(states.indices), of: &caches) { index in
            let (tokens, hidden) = states[index].takePending(.max)
            return EagleStep(tokens: tokens, hidden: hidden, logitRows: 1)
        }
        let lengths = caches.map(\.length)
        var growths = states.indices.map { index in
            DraftGrowth(
                shapes[index], base: lengths[index], keys: sharesIndex ? first.selection[index] : nil,
                keepsLogits: keepsLogits)
        }
        for index in growths.indices { growths[index].begin(first, row: index) }
        var depth = 1
        while true {
            let active = growths.indices.filter { shapes[$0].steps > depth && growths[$0].isOpen }
            guard !active.isEmpty else { break }
            let output = run(active, of: &caches) { growths[$0].nextRows() }
            var row = 0
            for index in active { growths[index].grow(output, row: &row) }
            depth += 1
        }
        for index in states.indices {
            caches[index].truncate(to: lengths[index])
            states[index].cache = caches[index]
        }
        return growths.map(\.tree)
    }

    /// The bytes that rounds read: they are what binds where few sequences decode.
    package func expectedCosts(upTo maximum: Int, sequences: Int) -> RoundCosts {
        let configuration = model.configuration
        return RoundCosts(
            verify: (0...maximum).map { configuration.approximateBytes(ofRows: sequences * ($0 + 1)) },
            draft: configuration.approximateBytes(ofDrafts: sequences))
    }

    /// Takes the caches out of the states: a second owner would make their pages be copied.
    private func takeCaches(_ states: inout [DraftState]) -> [SequenceCache] {
        states.indices.map { states[$0].cache.take() ?? model.makeDraftCache() }
    }

    /// One pass of the MTP layer over some of the sequences.
    private func run(
        _ active: [Int], of caches: inout [SequenceCache], _ step: (Int) -> EagleStep
    ) -> EagleOutput {
        let empty = model.makeDraftCache()
        var running = active.map { index in
            let cache = caches[index]
            caches[index] = empty
            return cache
        }
        let output = model.draft(active.map(step), caches: &running)
        for (place, index) in active.enumerated() { caches[index] = running[place] }
        return output
    }
}
