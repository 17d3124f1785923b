package import GLMFiles
package import GLMKernels
package import GLMTensor
package import GLMWeights

/// Multi-head latent attention over selected keys, evaluated in its absorbed form for every row.
///
/// The cache is used directly as one key head of width C + R and one value head of width C:
/// q̃_h = Wk_hᵀ q_nope; s_h(t,j) = (q̃_h · c_j + q_rope · k_rope_j) / √D; ô_h = Σ_j softmax(s_h)_j c_j; o_h =
/// Wv_h ô_h. Prefill and decode take the same road, so that how a prompt is cut into chunks cannot change a
/// bit.
/// Source: specification §4; DeepSeek-V2 §2.1 and appendix C; the expanded form is the tests' oracle.
public struct SparseAttention: Sendable {
    package let queryDown: Linear
    package let queryNorm: RMSNorm
    package let queryUp: Linear
    package let latentDown: Linear
    package let latentNorm: RMSNorm
    package let latentUp: WeightMatrix
    package let output: Linear
    /// nil in a layer that reuses the selection of the nearest full layer before it.
    package let indexer: LightningIndexer?
    let latentAttention: LatentAttention
    let heads: Int
    let nope: Int
    let rope: Int
    let valueDimension: Int
    let latentRank: Int
    let compute: Compute
    private let reads: Reads

    /// What a pass reads, by the region before.
    private struct Reads: Sendable {
        /// What is made of the layer's input.
        let inputs: ReadingOrder
        let scoring: ReadingOrder
        /// What is made of c^Q, without the indexer's queries and with them.
        let queries: ReadingOrder
        let scoredQueries: ReadingOrder
        let keys: ReadingOrder
        let values: ReadingOrder
        let output: ReadingOrder
    }

    /// What the first region of this layer reads.
    package var firstRead: ReadingOrder { reads.inputs }

    /// The parts, already joined to the machine that runs them.
    init(
        queryDown: Linear, queryNorm: RMSNorm, queryUp: Linear, latentDown: Linear, latentNorm: RMSNorm,
        latentUp: WeightMatrix, output: Linear, indexer: LightningIndexer?, shape: Shape, compute: Compute
    ) {
        self.queryDown = queryDown
        self.queryNorm = queryNorm
        self.queryUp = queryUp
        self.latentDown = latentDown
        self.latentNorm = latentNorm
        self.latentUp = latentUp
        self.output = output
        self.indexer = indexer
        self.compute = compute
        (heads, nope, rope) = (shape.heads, shape.nope, shape.rope)
        (valueDimension, latentRank) = (shape.value, shape.latentRank)
        latentAttention = LatentAttention(
            heads: heads, latentRank: latentRank, ropeDimension: rope,
            scale: 1 / Float(nope + rope).squareRoot(), compute: compute)
        let perHead = shape.nope + shape.value
        let ofHeads: (Range<Int>) -> ReadingOrder = { rows in
            shape.heads == 0
                ? [] : [MemoryStretch(latentUp.view.rows(rows), repeated: shape.heads - 1, rowStep: perHead)]
        }
        let inputs = [queryDown.memory, latentDown.memory] + (indexer.map { [$0.keyDown.memory] } ?? [])
        let queries = [queryUp.memory]
        reads = Reads(
            inputs: inputs, scoring: inputs + (indexer.map { [$0.headWeights.memory] } ?? []),
            queries: queries,
            scoredQueries: queries + (indexer.map { [$0.queryUp.memory] } ?? []),
            keys: ofHeads(0..<shape.nope),
            values: ofHeads(shape.nope..<perHead), output: [output.memory])
    }

    /// Reads `self_attn.*` of stored layer `layer`: all heads, or those that the scope gives this device.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, layer: Int, options: NumericOptions,
        compute: Compute
    ) throws(InputError) {
        let shape = Shape(
            heads: configuration.headCount, nope: configuration.nopeDimension,
            rope: configuration.ropeDimension, value: configuration.valueDimension,
            latentRank: configuration.latentRank)
        let (hidden, queryRank, latentRank) = (
            configuration.hiddenSize, configuration.queryRank, shape.latentRank
        )
        func linear(_ name: String, _ rows: Int, _ columns: Int) throws(InputError) -> Linear {
            Linear(try weights.matrix(name + ".weight", rows: rows, columns: columns), compute: compute)
        }
        func norm(_ name: String, _ count: Int) throws(InputError) -> RMSNorm {
            RMSNorm(
                weight: try weights.vector(name + ".weight", count: count),
                epsilon: options.latentNormEpsilon, compute: compute)
        }
        let queryUp = try linear("q_b_proj", shape.heads * (shape.nope + shape.rope), queryRank)
        var own = shape
        own.heads = queryUp.weight.rows / (shape.nope + shape.rope)
        try self.init(
            queryDown: linear("q_a_proj", queryRank, hidden), queryNorm: norm("q_a_layernorm", queryRank),
            queryUp: queryUp,
            latentDown: linear("kv_a_proj_with_mqa", latentRank + shape.rope, hidden),
            latentNorm: norm("kv_a_layernorm", latentRank),
            latentUp: weights.matrix(
                "kv_b_proj.weight", rows: shape.heads * (shape.nope + shape.value), columns: latentRank),
            output: linear("o_proj", hidden, shape.heads * shape.value),
            indexer: configuration.indexer(ofLayer: layer) == .full
                ? LightningIndexer(
                    weights: weights.scope("indexer"), configuration: configuration,
                    policy: options.keySelection, compute: compute)
                : nil,
            shape: own, compute: compute)
    }

    /// One layer's attention of the batch's rows, and the keys they attended to.
    ///
    /// - Parameters:
    ///   - x: normed layer input, `[rows, hidden]`.
    ///   - layer: layer number inside the caches.
    ///   - selection: the selection of the nearest full layer before this one; used only by a layer without
    ///     an indexer.
    ///   - following: what is read behind this layer's attention.
    /// - Returns: `W^O o`, `[rows, hidden]`.
    package func callAsFunction(
        _ x: Tensor, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache], selection: KeySelection?,
        trace: Trace?, following: ReadingOrder = []
    ) -> (Tensor, KeySelection) {
        let (c, z, indexed) = down(x, batch: batch, scores: trace != nil)
        write(latentNorm(z.columns(0..<latentRank)), z, layer: layer, batch: batch, caches: caches)
        compute.finished(.down, layer: layer)
        compute.willRead(reads.keys, rows: batch.rowCount)
        let (queries, inputs) = up(c, indexed)  // [q_nope; q^R] = W^UQ c^Q [T, N, P + R]
        compute.finished(.queryUp, layer: layer)
        let keys = chooseKeys(
            inputs, layer: layer, batch: batch, caches: &caches, inherited: selection, trace: trace)
        compute.willRead(reads.values, rows: batch.rowCount)
        let absorbed = absorb(queries, batch: batch)  // q̃, q^R             [T, N, C + R]
        compute.finished(.absorb, layer: layer)
        let rows = unsafe CachedRows(
            caches.first?.layout.attentionRow ?? CacheRow(.float32, latent: latentRank, rope: rope),
            pages: caches.map { unsafe $0.attentionPages(layer: layer) })
        let attended = latentAttention(
            absorbed, over: keys, rows: rows, sequenceOfRow: batch.segmentOfRow)  // ô [T, N, C]
        compute.finished(.attention, layer: layer)
        compute.willRead(reads.output, rows: batch.rowCount)
        let values = expand(attended, rows: batch.rowCount)  // W^UV_h ô_h  [T, N · V]
        compute.finished(.expand, layer: layer)
        compute.willRead(following, rows: batch.rowCount)
        let result = output(values)  // W^O o                               [T, hidden]
        compute.finished(.output, layer: layer)
        return (result, keys)
    }

    /// Everything that is made of the layer's input, in one region: c^Q = RMSNorm(W^DQ x) `[T, qRank]`,
    /// [c^KV; k^R] = W^DKV x `[T, C + R]`, and what the indexer needs.
    private func down(
        _ x: Tensor, batch: RaggedBatch, scores: Bool
    ) -> (c: Tensor, z: Tensor, indexed: (keys: Tensor, headWeights: Tensor?)?) {
        var wanted = [Product(queryDown, of: x), Product(latentDown, of: x)]
        guard let indexer, batch.selection == nil else {
            compute.willRead(reads.queries, rows: x.rowCount)
            let made = products(wanted)
            return (queryNorm(made[0]), made[1], nil)
        }
        wanted.append(Product(indexer.keyDown, of: x))
        let mustScore = scores || indexer.mustScore(batch)
        if mustScore { wanted.append(Product(indexer.headWeights, of: x)) }
        compute.willRead(mustScore ? reads.scoredQueries : reads.queries, rows: x.rowCount)
        let made = products(wanted)
        return (queryNorm(made[0]), made[1], (made[2], mustScore ? made[3] : nil))
    }

    /// Everything that is made of c^Q, in one region: the queries, and the indexer's where it scores.
    private func up(
        _ c: Tensor, _ indexed: (keys: Tensor, headWeights: Tensor?)?
    ) -> (Tensor, LightningIndexer.Inputs?) {
        guard let indexer, let indexed else { return (queryUp(c), nil) }
        guard let weights = indexed.headWeights else {
            return (queryUp(c), LightningIndexer.Inputs(keys: indexed.keys))
        }
        let made = products([Product(queryUp, of: c), Product(indexer.queryUp, of: c)])
        return (made[0], LightningIndexer.Inputs(keys: indexed.keys, query: (made[1], weights)))
    }

    /// Writes what later rows need to know of these rows, and computes nothing else.
    package func remember(_ x: Tensor, layer: Int, batch: RaggedBatch, caches: [SequenceCache]) {
        let made = products([latentDown, indexer?.keyDown].compactMap { $0 }.map { Product($0, of: x) })
        let z = made[0]  // [c^KV; k^R] = W^DKV x                           [T, C + R]
        write(latentNorm(z.columns(0..<latentRank)), z, layer: layer, batch: batch, caches: caches)
        indexer?.remember(made[1], layer: layer, batch: batch, caches: caches)
    }

    private func chooseKeys(
        _ inputs: LightningIndexer.Inputs?, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache],
        inherited: KeySelection?, trace: Trace?
    ) -> KeySelection {
        if let chosen = batch.selection { return chosen }
        if let indexer, let inputs {
            return indexer(
                inputs, layer: layer, batch: batch, caches: &caches, trace: trace, following: reads.keys)
        }
        guard let inherited else { preconditionFailure("layer \(layer) shares a selection that nobody made") }
        return inherited
    }

    /// Latent and rotated rope key of each row: the only write to this layer's attention cache.
    private func write(
        _ latents: Tensor, _ z: Tensor, layer: Int, batch: RaggedBatch, caches: [SequenceCache]
    ) {
        unsafe latents.values.withUnsafeBufferPointer { latents in
            unsafe z.values.withUnsafeBufferPointer { z in
                guard let latent = latents.baseAddress, let raw = z.baseAddress else { return }
                compute.forEachRow(batch.rowCount) { row in
                    unsafe withTemporaryMemory(of: Float.self, count: latentRank + rope) {
                        guard let target = $0.baseAddress else { return }
                        unsafe target.update(from: latent + row * latentRank, count: latentRank)
                        let ropeKey = unsafe raw + row * (latentRank + rope) + latentRank
                        unsafe (target + latentRank).update(from: ropeKey, count: rope)
                        unsafe batch.angles.rotate(target + latentRank, row: row, kernels: compute.kernels)
                        unsafe compute.store(target + latentRank, count: rope)
                        unsafe caches[batch.segmentOfRow[row]].store(
                            target, attentionOf: layer, position: batch.slots[row],
                            kernels: compute.kernels)
                    }
                }
            }
        }
    }

    /// Rows of W^UKV that belong to head `head`: first `nope` rows of keys, then `valueDimension` rows of
    /// values.
    private func keyRows(ofHead head: Int) -> WeightView {
        let first = head * (nope + valueDimension)
        return latentUp.view.rows(first..<(first + nope))
    }

    private func valueRows(ofHead head: Int) -> WeightView {
        let first = head * (nope + valueDimension) + nope
        return latentUp.view.rows(first..<(first + valueDimension))
    }

    /// q̃_h = Wk_hᵀ q_nope beside the rotated rope part: `[T, N · D]` → `[T, N, C + R]`.
    private func absorb(_ queries: Tensor, batch: RaggedBatch) -> Tensor {
        let (rows, width, headWidth) = (batch.rowCount, latentRank + rope, nope + rope)
        return unsafe Tensor(rows: rows, heads: heads, width: width) { absorbed in
            unsafe queries.values.withUnsafeBufferPointer { queries in
                guard let query = queries.baseAddress else { return }
                compute.transposedProduct(
                    (0..<heads).map { head in
                        unsafe ProductGroup(
                            weight: keyRows(ofHead: head), x: query + head * headWidth, tokens: rows,
                            xStride: heads * headWidth, y: absorbed + head * width, yStride: heads * width)
                    })
                compute.forEachRow(rows) { row in
                    for head in 0..<heads {
                        let target = unsafe absorbed + (row * heads + head) * width + latentRank
                        unsafe target.update(
                            from: query + (row * heads + head) * headWidth + nope, count: rope)
                        unsafe batch.angles.rotate(target, row: row, kernels: compute.kernels)
                    }
                    unsafe compute.store(absorbed + row * heads * width, count: heads * width)
                }
            }
        }
    }

    /// o_h = W^UV_h ô_h: `[T, N, C]` → `[T, N · V]`. Latents are never quantised.
    private func expand(_ attended: Tensor, rows: Int) -> Tensor {
        unsafe Tensor(rows: rows, width: heads * valueDimension) { values in
            unsafe attended.values.withUnsafeBufferPointer { attended in
                guard let latent = attended.baseAddress else { return }
                compute.product(
                    (0..<heads).map { head in
                        unsafe ProductGroup(
                            weight: valueRows(ofHead: head), x: latent + head * latentRank, tokens: rows,
                            xStride: heads * latentRank, y: values + head * valueDimension,
                            yStride: heads * valueDimension)
                    }, arithmetic: compute.arithmetic.weightOnly)
            }
        }
    }
}
