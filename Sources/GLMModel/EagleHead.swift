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
    private let device: Device
    /// Whether the keys of a draft's first step serve the later ones too.
    private let sharesKeys: Bool

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
        self.device = device
        sharesKeys = configuration.sharesIndexAcrossDrafts
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
            trees: steps.map(\.tree), groups: device.plan.layout.data)
        for index in caches.indices { caches[index].reserve(steps[index].tokens.count) }
        // Steps of the sequences that this device's group serves.
        let own = zip(steps, caches).filter { $1.isKept }.map(\.0)
        let embedded = embeddingNorm(transformer.embed(steps.flatMap(\.tokens), shares: batch.shares))
        let hidden = hiddenNorm(EagleStep.hiddenRows(own, width: embedded.width))
        let x = combine(embedded.beside(hidden))  // W^EH [e; u]
        compute.finished(.draftInput)
        let read = remember(x, &batch, steps: steps, caches: caches, rotary: transformer.rotary)
        defer { for index in caches.indices { caches[index].advance(steps[index].tokens.count) } }
        guard steps.contains(where: { $0.logitRows > 0 }) else {
            return .none(hidden: x.width, vocabulary: transformer.head.weight.rows)
        }
        let chosen = own.flatMap(\.keys)
        if !chosen.isEmpty { batch.selection = KeySelection(chosen, visible: batch.visibleKeys) }
        trace?(.hidden(index: 0, read))
        let (h, keys) = layer(
            read, layer: 0, batch: batch, caches: &caches, selection: nil, trace: trace,
            following: [transformer.head.memory])
        trace?(.hidden(index: 1, h))
        let output = device.gather(rows: finalNorm(h), of: batch.shares, at: CollectiveSite(.rows))
        defer { compute.finished(.head) }
        // Every later step of a round brings its keys along.
        let isFirst = sharesKeys && steps.allSatisfy(\.keys.isEmpty)
        return EagleOutput(
            logits: transformer.logits(output), hidden: output,
            selection: isFirst
                ? device.gather(keys, of: batch.shares, topK: layer.attention.indexer?.topK ?? 0) : keys)
    }

    /// The rows that somebody reads; of the others what later rows attend to is written down here.
    private func remember(
        _ x: Tensor, _ batch: inout RaggedBatch, steps: [EagleStep], caches: [SequenceCache],
        rotary: RotaryEmbedding
    ) -> Tensor {
        guard steps.contains(where: { $0.logitRows < $0.tokens.count }) else { return x }
        let wanted = zip(batch.segments, steps).flatMap { $0.rows.suffix($1.logitRows) }
        let silent = zip(batch.segments, steps).flatMap { $0.rows.dropLast($1.logitRows) }
        if !silent.isEmpty {
            layer.remember(
                x.rows(silent), layer: 0,
                batch: RaggedBatch(batch, rows: silent, rotary: rotary, shares: nil), caches: caches)
            combine.compute.finished(.draftCache, layer: 0)
        }
        let shares = batch.shares.map {
            RowShares(
                counts: steps.map(\.logitRows), groups: caches.map(\.group), groupCount: $0.pieces.count)
        }
        batch = RaggedBatch(batch, rows: wanted, rotary: rotary, shares: shares)
        return x.rows(wanted)
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

    package init(logits: Tensor, hidden: Tensor, selection: KeySelection) {
        self.logits = logits
        self.hidden = hidden
        self.selection = selection
    }

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
    static func hiddenRows(_ steps: [EagleStep], width: Int) -> Tensor {
        let values = steps.flatMap(\.hidden.values)
        return Tensor(shape: [values.count / width, width], values: values)
    }
}
