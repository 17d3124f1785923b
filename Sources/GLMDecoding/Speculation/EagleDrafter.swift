package import GLMModel
package import GLMTensor

/// Drafts chains of tokens with the MTP layer: each sequence's next `steps` tokens, always the most likely ones.
///
/// Source: specification §8.2, steps 1 and 2; SGLang's EAGLE worker.
package struct EagleDrafter: Sendable {
    /// What drafting remembers of one sequence.
    package struct State: Sendable {
        /// Rows of the MTP layer that were computed from the trunk's hidden states; provisional rows never stay.
        var cache: SequenceCache
        /// t_{i+1} of the positions whose hidden state is new.
        var pendingTokens: [Int32]
        /// The trunk's hidden states of those positions, `[pending, hidden]`.
        var pendingHidden: Tensor
    }

    /// The chain drafted for one sequence.
    package struct Draft: Sendable {
        package var tokens: [Int32]
        /// The logits behind each token, `[tokens, vocabulary]`.
        package var logits: Tensor
    }

    private let model: LanguageModel

    /// nil for a model without an MTP layer.
    package init?(_ model: LanguageModel) {
        guard model.eagleHead != nil else { return nil }
        self.model = model
    }

    /// The state behind a prefill.
    ///
    /// - Parameters:
    ///   - tokens: t_1 … t_n: the prompt without its first token, then the first sampled one.
    ///   - hidden: the trunk's hidden states of positions 0 ..< n, `[n, hidden]`.
    package func makeState(tokens: [Int32], hidden: Tensor) -> State {
        State(cache: model.makeDraftCache(), pendingTokens: tokens, pendingHidden: hidden)
    }

    /// Tells a sequence what was verified: the new tokens and the hidden states of the positions before them.
    package func commit(_ tokens: [Int32], hidden: Tensor, to state: inout State) {
        precondition(
            tokens.count == hidden.rowCount, "\(tokens.count) tokens, \(hidden.rowCount) hidden rows")
        state.pendingTokens += tokens
        state.pendingHidden = state.pendingHidden.above(hidden)
    }

    /// Extends the draft caches by what was verified, then drafts `steps` tokens for every sequence.
    ///
    /// Rows that were only drafted are dropped from the caches, accepted or not: the next extension computes them
    /// from the trunk's hidden states.
    package func draft(steps: Int, _ states: inout [State]) -> [Draft] {
        precondition(steps >= 1, "\(steps) draft steps")
        var caches = states.map(\.cache)
        var output = model.draft(
            states.map { EagleStep(tokens: $0.pendingTokens, hidden: $0.pendingHidden, logitRows: 1) },
            caches: &caches)
        let lengths = caches.map(\.length)
        var drafts = states.map { _ in Draft(tokens: [], logits: Tensor(zeros: [0, output.logits.width])) }
        append(output, to: &drafts)
        for _ in 1..<steps {
            let rows = states.indices.map { index in
                let last = Tensor(shape: [1, output.hidden.width], values: Array(output.hidden.row(index)))
                return EagleStep(tokens: drafts[index].tokens.suffix(1), hidden: last, logitRows: 1)
            }
            output = model.draft(rows, caches: &caches)
            append(output, to: &drafts)
        }
        for index in states.indices {
            caches[index].truncate(to: lengths[index])
            states[index] = State(
                cache: caches[index], pendingTokens: [],
                pendingHidden: Tensor(zeros: [0, output.hidden.width]))
        }
        return drafts
    }

    private func append(_ output: ForwardOutput, to drafts: inout [Draft]) {
        for index in drafts.indices {
            let row = output.logits.row(index)
            drafts[index].tokens.append(Int32(Sampler.largest(of: row)))
            drafts[index].logits = drafts[index].logits.above(
                Tensor(shape: [1, row.count], values: Array(row)))
        }
    }
}
