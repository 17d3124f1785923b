package import GLMFiles
package import GLMKernels
package import GLMParallel
package import GLMTensor
package import GLMWeights

/// Embedding, decoder layers, final norm and head: token ids in, logits out.
///
/// Source: specification §3.
package struct Transformer: Sendable {
    package let embedding: WeightMatrix
    package let layers: [DecoderLayer]
    package let finalNorm: RMSNorm
    package let head: Linear
    package let rotary: RotaryEmbedding
    private let device: Device
    /// The tokens whose rows of embedding and head this device has.
    private let vocabulary: Range<Int>
    private let vocabularySize: Int

    /// Reads `model.*` of the trunk and `lm_head`.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, options: NumericOptions, compute: Compute,
        device: Device
    ) throws(InputError) {
        let (vocabulary, hidden) = (configuration.vocabularySize, configuration.hiddenSize)
        self.device = device
        vocabularySize = vocabulary
        self.vocabulary = device.plan.vocabulary(of: vocabulary)
        embedding = try weights.matrix("model.embed_tokens.weight", rows: vocabulary, columns: hidden)
        var layers: [DecoderLayer] = []
        for layer in 0..<configuration.layerCount {
            layers.append(
                try DecoderLayer(
                    weights: weights.scope("model.layers.\(layer)"), configuration: configuration,
                    layer: layer, options: options, compute: compute, device: device))
        }
        self.layers = layers
        finalNorm = RMSNorm(
            weight: try weights.vector("model.norm.weight", count: hidden),
            epsilon: configuration.rmsNormEpsilon, compute: compute)
        head = Linear(
            try weights.matrix("lm_head.weight", rows: vocabulary, columns: hidden), compute: compute,
            role: .decision)
        rotary = RotaryEmbedding(theta: configuration.ropeTheta, dimension: configuration.ropeDimension)
    }

    /// Runs the new tokens of several sequences and extends their caches by them.
    ///
    /// - Precondition: one cache a step, every token id inside the vocabulary.
    package func callAsFunction(
        _ steps: [SequenceStep], caches: inout [SequenceCache], trace: Trace?
    ) -> ForwardOutput {
        head.compute.profile?.begin(steps)
        let batch = RaggedBatch(
            counts: steps.map(\.tokens.count), caches: caches, rotary: rotary, trees: steps.map(\.tree),
            groups: device.plan.layout.data)
        for index in caches.indices { caches[index].reserve(steps[index].tokens.count) }

        var h = embed(steps.flatMap(\.tokens), shares: batch.shares)  // [rows, hidden]
        head.compute.finished(.embedding)
        trace?(.hidden(index: 0, h))
        var selection: KeySelection?
        for (index, layer) in layers.enumerated() {
            let (next, keys) = layer(
                h, layer: index, batch: batch, caches: &caches, selection: selection, trace: trace,
                following: index + 1 < layers.count
                    ? layers[index + 1].attention.firstRead : [head.memory])
            (h, selection) = (next, keys)
            trace?(.hidden(index: index + 1, h))
        }
        for index in caches.indices { caches[index].advance(steps[index].tokens.count) }
        if let trace { trace(.finalNorm(finalNorm(h))) }
        return read(h, steps: steps, batch: batch, groups: caches.map(\.group))
    }

    /// The embedding's rows of `tokens`, widened: `[tokens, hidden]`; of those that this device's group serves.
    package func embed(_ tokens: [Int32], shares: RowShares? = nil) -> Tensor {
        device.sum(ownRows(of: tokens), scattered: shares, at: CollectiveSite(.embedding))
    }

    /// The logits of rows that went through the last norm, `[rows, vocabulary]`: the rows of all groups.
    package func logits(_ hidden: Tensor) -> Tensor {
        device.beside(head(hidden), at: CollectiveSite(.logits))
    }

    /// The embedding's rows of the tokens that this device has, zeros for the others.
    private func ownRows(of tokens: [Int32]) -> Tensor {
        let width = embedding.columns
        let padded = (width + 15) / 16 * 16
        for token in tokens {
            precondition((0..<vocabularySize).contains(Int(token)), "token \(token) of \(vocabularySize)")
        }
        head.compute.profile?.add(
            Work(bytes: tokens.count * width * embedding.view.format.size, operations: 0))
        return unsafe Tensor(rows: tokens.count, width: width) { rows in
            let panel = UnsafeMutablePointer<Float>.allocate(capacity: padded)
            defer { unsafe panel.deallocate() }
            for (index, token) in tokens.enumerated() {
                guard vocabulary.contains(Int(token)) else {
                    unsafe (rows + index * width).update(repeating: 0, count: width)
                    continue
                }
                unsafe head.compute.kernels.decode(
                    embedding.view, row: Int(token) - vocabulary.lowerBound, columns: 0..<width, into: panel,
                    stride: 16)
                unsafe (rows + index * width).update(from: panel, count: width)
                unsafe head.compute.store(rows + index * width, count: width)
            }
        }
    }

    /// Final norm and head of the rows somebody reads, those of all groups.
    private func read(
        _ h: Tensor, steps: [SequenceStep], batch: RaggedBatch, groups: [Int]
    ) -> ForwardOutput {
        // Rows of this group, and of the rows that all groups read those that want logits.
        var wanted: [Int] = []
        var scored: [Int] = []
        var read = 0
        for (segment, step) in zip(batch.segments, steps) {
            precondition(
                step.logitRows <= step.hiddenRows && step.hiddenRows <= step.tokens.count,
                "\(step.logitRows) logit rows of \(step.hiddenRows) hidden rows of \(step.tokens.count)")
            read += step.hiddenRows
            scored.append(contentsOf: read - step.logitRows..<read)
            wanted.append(contentsOf: segment.rows.suffix(step.hiddenRows))
        }
        let shares = batch.shares.map {
            RowShares(counts: steps.map(\.hiddenRows), groups: groups, groupCount: $0.pieces.count)
        }
        let normed = finalNorm(wanted.count == h.rowCount ? h : h.rows(wanted))
        let hidden = device.gather(rows: normed, of: shares, at: CollectiveSite(.rows))
        defer { head.compute.finished(.head) }
        head.compute.willRead(layers.first?.attention.firstRead ?? [], rows: scored.count)
        return ForwardOutput(
            logits: logits(scored.count == hidden.rowCount ? hidden : hidden.rows(scored)), hidden: hidden)
    }
}

/// The new tokens of one sequence in a forward pass.
package struct SequenceStep: Sendable, Equatable {
    package var tokens: [Int32]
    /// How many of the last rows want logits.
    package var logitRows: Int
    /// How many of the last rows want their hidden state, at least those that want logits.
    package var hiddenRows: Int
    /// How the tokens branch; nil for tokens that follow one another.
    package var tree: TokenBranches?

    package init(tokens: [Int32], logitRows: Int, hiddenRows: Int? = nil, tree: TokenBranches? = nil) {
        self.tokens = tokens
        self.tree = tree
        self.logitRows = logitRows
        self.hiddenRows = hiddenRows ?? logitRows
    }
}

/// What a forward pass leaves behind, for the rows that wanted it, sequence by sequence.
package struct ForwardOutput: Sendable {
    /// `[Σ logitRows, vocabulary]`
    package let logits: Tensor
    /// The vectors behind the final norm, those that enter the head among them: `[Σ hiddenRows, hidden]`.
    package let hidden: Tensor

    package init(logits: Tensor, hidden: Tensor) {
        self.logits = logits
        self.hidden = hidden
    }
}
