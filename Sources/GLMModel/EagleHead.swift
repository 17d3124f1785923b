package import GLMFiles
package import GLMKernels
package import GLMParallel
package import GLMTensor
package import GLMWeights

/// The multi-token-prediction layer stored behind the trunk: the draft model of EAGLE speculation.
///
/// x = W^EH [norm(embed(t_{i+1})); norm(u_i)], then a decoder layer with its own indexer and experts, then a
/// norm; the model's embedding and head serve it too.
/// Source: specification §8.1.
package struct EagleHead: Sendable {
    let embeddingNorm: RMSNorm
    let hiddenNorm: RMSNorm
    let combine: Linear
    let layer: DecoderLayer
    let finalNorm: RMSNorm

    /// Reads `model.layers.{layerCount}.*`. Copies of embedding and head that some repacks add there are
    /// ignored.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, options: NumericOptions, compute: Compute,
        device: Device
    ) throws(InputError) {
        let hidden = configuration.hiddenSize
        func norm(_ name: String) throws(InputError) -> RMSNorm {
            RMSNorm(
                weight: try weights.vector(name + ".weight", count: hidden),
                epsilon: configuration.rmsNormEpsilon, compute: compute)
        }
        embeddingNorm = try norm("enorm")
        hiddenNorm = try norm("hnorm")
        combine = Linear(
            try weights.matrix("eh_proj.weight", rows: hidden, columns: 2 * hidden), compute: compute)
        layer = try DecoderLayer(
            weights: weights, configuration: configuration, layer: configuration.layerCount, options: options,
            compute: compute, device: device)
        finalNorm = try norm("shared_head.norm")
        weights.ignore("embed_tokens.weight", "shared_head.head.weight")
    }

    /// Runs new rows of several draft sequences and extends their draft caches by them.
    ///
    /// Row i of a sequence predicts the token after next: it takes token t_{i+1} and the hidden state u_i, at
    /// position i. Its caches hold one layer. Of rows that nobody reads only what later rows attend to is
    /// computed: their latents and index keys.
    /// - Parameter transformer: the trunk, whose embedding and head serve here too.
    /// - Precondition: one cache a step, as many hidden rows as tokens; keys are chosen for all rows that are
    ///   read, or for none.
    package func callAsFunction(
        _ steps: [EagleStep], caches: inout [SequenceCache], transformer: Transformer, trace: Trace? = nil
    ) -> EagleOutput {
        let compute = combine.compute
        compute.profile?.begin("draft", tokens: steps.reduce(0) { $0 + $1.tokens.count })
        var batch = RaggedBatch(
            counts: steps.map(\.tokens.count), caches: caches, rotary: transformer.rotary,
            trees: steps.map(\.tree))
        for index in caches.indices { caches[index].reserve(steps[index].tokens.count) }
        let embedded = embeddingNorm(transformer.embed(steps.flatMap(\.tokens)))
        var x = combine(embedded.beside(hiddenNorm(EagleStep.hiddenRows(steps))))  // W^EH [e; u]
        compute.finished(.draftInput)
        let wanted = zip(batch.segments, steps).flatMap { $0.rows.suffix($1.logitRows) }
        if wanted.count < batch.rowCount {
            let silent = zip(batch.segments, steps).flatMap { $0.rows.dropLast($1.logitRows) }
            layer.remember(
                x.rows(silent), layer: 0,
                batch: RaggedBatch(batch, rows: silent, rotary: transformer.rotary), caches: caches)
            compute.finished(.draftCache, layer: 0)
            (x, batch) = (x.rows(wanted), RaggedBatch(batch, rows: wanted, rotary: transformer.rotary))
        }
        defer { for index in caches.indices { caches[index].advance(steps[index].tokens.count) } }
        guard !wanted.isEmpty else { return .none(hidden: x.width, vocabulary: transformer.head.weight.rows) }
        let chosen = steps.flatMap(\.keys)
        if !chosen.isEmpty { batch.selection = KeySelection(chosen, visible: batch.visibleKeys) }
        trace?(.hidden(index: 0, x))
        let (h, keys) = layer(x, layer: 0, batch: batch, caches: &caches, selection: nil, trace: trace)
        trace?(.hidden(index: 1, h))
        let hidden = finalNorm(h)
        defer { compute.finished(.head) }
        return EagleOutput(logits: transformer.logits(hidden), hidden: hidden, selection: keys)
    }
}

/// What the MTP layer leaves behind, for the rows that are read, sequence by sequence.
package struct EagleOutput: Sendable {
    /// `[rows, vocabulary]`
    package let logits: Tensor
    /// The vectors behind the layer's last norm, which enter the head: `[rows, hidden]`.
    package let hidden: Tensor
    /// The keys that the rows attended to.
    package let selection: KeySelection

    /// Nothing was read.
    static func none(hidden: Int, vocabulary: Int) -> EagleOutput {
        EagleOutput(
            logits: Tensor(zeros: [0, vocabulary]), hidden: Tensor(zeros: [0, hidden]),
            selection: KeySelection(denseOver: []))
    }
}

/// New rows of one draft sequence.
package struct EagleStep: Sendable, Equatable {
    /// t_{i+1} of each row.
    package var tokens: [Int32]
    /// u_i of each row: the trunk's final norm, or the head's own output while it drafts. `[tokens, hidden]`
    package var hidden: Tensor
    /// How many of the last rows want logits and hidden state.
    package var logitRows: Int
    /// How the tokens branch; nil for tokens that follow one another.
    package var tree: TokenBranches?
    /// The keys of the rows that are read, where they are chosen beforehand; empty lets the indexer choose.
    package var keys: [KeySelection.Row]

    package init(
        tokens: [Int32], hidden: Tensor, logitRows: Int, tree: TokenBranches? = nil,
        keys: [KeySelection.Row] = []
    ) {
        precondition(
            hidden.rowCount == tokens.count, "\(hidden.rowCount) hidden rows for \(tokens.count) tokens")
        self.tokens = tokens
        self.hidden = hidden
        self.logitRows = logitRows
        self.tree = tree
        self.keys = keys
    }

    /// The hidden rows of all steps, one behind the other.
    static func hiddenRows(_ steps: [EagleStep]) -> Tensor {
        let width = steps.first?.hidden.width ?? 0
        let values = steps.flatMap(\.hidden.values)
        return Tensor(shape: [values.count / max(width, 1), width], values: values)
    }
}
