public import GLMKernels
public import GLMTensor
public import GLMWeights

extension SparseAttention {
    /// Widths of one attention layer.
    public struct Shape: Sendable, Equatable {
        /// N, query heads.
        public var heads: Int
        /// P, width of a head without rotary embedding.
        public var nope: Int
        /// R, rotary width of a head.
        public var rope: Int
        /// V, width of a head's value.
        public var value: Int
        /// C, width of the key-value latent.
        public var latentRank: Int

        /// Any widths; `rope` is even.
        public init(heads: Int, nope: Int, rope: Int, value: Int, latentRank: Int) {
            self.heads = heads
            self.nope = nope
            self.rope = rope
            self.value = value
            self.latentRank = latentRank
        }
    }

    /// The weights of one attention layer, by their roles; the checkpoint's name is given with each.
    public struct Weights: Sendable {
        /// W^DQ, `q_a_proj`: `[qRank, hidden]`.
        public var queryDown: WeightMatrix
        /// `q_a_layernorm`: `[qRank]`.
        public var queryNorm: [Float]
        /// W^UQ, `q_b_proj`: `[N · (P + R), qRank]`.
        public var queryUp: WeightMatrix
        /// W^DKV, `kv_a_proj_with_mqa`: `[C + R, hidden]`.
        public var latentDown: WeightMatrix
        /// `kv_a_layernorm`: `[C]`.
        public var latentNorm: [Float]
        /// W^UKV, `kv_b_proj`: `[N · (P + V), C]`.
        public var latentUp: WeightMatrix
        /// W^O, `o_proj`: `[hidden, N · V]`.
        public var output: WeightMatrix

        /// Weights of shapes that fit each other, as their names above say.
        public init(
            queryDown: WeightMatrix, queryNorm: [Float], queryUp: WeightMatrix, latentDown: WeightMatrix,
            latentNorm: [Float], latentUp: WeightMatrix, output: WeightMatrix
        ) {
            self.queryDown = queryDown
            self.queryNorm = queryNorm
            self.queryUp = queryUp
            self.latentDown = latentDown
            self.latentNorm = latentNorm
            self.latentUp = latentUp
            self.output = output
        }
    }

    /// A layer of one's own.
    ///
    /// - Parameters:
    ///   - indexer: nil for a layer that is given its selection.
    ///   - latentNormEpsilon: ε of both latent norms; 1e-6 in transformers.
    /// - Precondition: the weights have the shapes that `shape` asks for.
    public init(
        weights: Weights, shape: Shape, indexer: LightningIndexer?, latentNormEpsilon: Float, compute: Compute
    ) {
        precondition(
            weights.queryUp.rows == shape.heads * (shape.nope + shape.rope),
            "q_b of \(weights.queryUp.rows) rows")
        precondition(
            weights.latentDown.rows == shape.latentRank + shape.rope,
            "kv_a of \(weights.latentDown.rows) rows")
        precondition(
            weights.latentUp.rows == shape.heads * (shape.nope + shape.value)
                && weights.latentUp.columns == shape.latentRank,
            "kv_b of \(weights.latentUp.rows) × \(weights.latentUp.columns)")
        precondition(
            weights.output.columns == shape.heads * shape.value, "o of \(weights.output.columns) columns")
        self.init(
            queryDown: Linear(weights.queryDown, compute: compute),
            queryNorm: RMSNorm(weight: weights.queryNorm, epsilon: latentNormEpsilon, compute: compute),
            queryUp: Linear(weights.queryUp, compute: compute),
            latentDown: Linear(weights.latentDown, compute: compute),
            latentNorm: RMSNorm(weight: weights.latentNorm, epsilon: latentNormEpsilon, compute: compute),
            latentUp: weights.latentUp, output: Linear(weights.output, compute: compute), indexer: indexer,
            shape: shape, compute: compute)
    }

    /// Attention of a whole sequence from position 0, without a cache that outlives the call.
    ///
    /// - Parameters:
    ///   - x: normed layer input, `[rows, hidden]`.
    ///   - selection: the keys of each row, for a layer without an indexer.
    /// - Returns: `[rows, hidden]` and the keys each row attended to.
    /// - Precondition: a layer without an indexer is given a selection of as many rows.
    public func callAsFunction(
        _ x: Tensor, ropeTheta: Float, selection: KeySelection? = nil
    ) -> (output: Tensor, selection: KeySelection) {
        let layout = CacheLayout(
            latentRank: latentRank, ropeDimension: rope, indexWidth: indexer?.dimension, format: .float32)
        var caches = [SequenceCache(layout: layout)]
        let batch = RaggedBatch(
            counts: [x.rowCount], caches: caches, rotary: RotaryEmbedding(theta: ropeTheta, dimension: rope))
        caches[0].reserve(x.rowCount)
        return self(x, layer: 0, batch: batch, caches: &caches, selection: selection, trace: nil)
    }
}

extension LightningIndexer {
    /// The weights of one indexer, by their roles; the checkpoint's name is given with each.
    public struct Weights: Sendable {
        /// `wq_b`: `[heads · J, qRank]`.
        public var queryUp: WeightMatrix
        /// `wk`: `[J, hidden]`.
        public var keyDown: WeightMatrix
        /// `k_norm.weight`: `[J]`.
        public var keyNormWeight: [Float]
        /// `k_norm.bias`: `[J]`.
        public var keyNormBias: [Float]
        /// `weights_proj`: `[heads, hidden]`.
        public var headWeights: WeightMatrix

        /// Weights of shapes that fit each other, as their names above say.
        public init(
            queryUp: WeightMatrix, keyDown: WeightMatrix, keyNormWeight: [Float], keyNormBias: [Float],
            headWeights: WeightMatrix
        ) {
            self.queryUp = queryUp
            self.keyDown = keyDown
            self.keyNormWeight = keyNormWeight
            self.keyNormBias = keyNormBias
            self.headWeights = headWeights
        }
    }

    /// An indexer of one's own.
    ///
    /// - Parameters:
    ///   - ropeDimension: R, how many of the first elements of a head and key are rotated.
    ///   - topK: keys a row may attend to.
    ///   - policy: who selects them.
    /// - Precondition: the weights agree in their shapes.
    public convenience init(
        weights: Weights, ropeDimension: Int, topK: Int, policy: KeySelection.Policy = .indexer,
        compute: Compute
    ) {
        let (heads, dimension) = (weights.headWeights.rows, weights.keyDown.rows)
        precondition(
            weights.queryUp.rows == heads * dimension,
            "wq_b of \(weights.queryUp.rows) rows for \(heads) × \(dimension)")
        precondition(ropeDimension <= dimension, "rope \(ropeDimension) of \(dimension)")
        self.init(
            queryUp: Linear(weights.queryUp, compute: compute),
            keyDown: Linear(weights.keyDown, compute: compute),
            keyNorm: LayerNorm(
                weight: weights.keyNormWeight, bias: weights.keyNormBias,
                epsilon: LightningIndexer.keyNormEpsilon, compute: compute),
            headWeights: Linear(weights.headWeights, compute: compute, role: .decision),
            ropeDimension: ropeDimension,
            topK: topK, policy: policy, compute: compute)
    }

    /// The keys each row of a whole sequence attends to, from position 0.
    ///
    /// - Parameters:
    ///   - x: normed layer input, `[rows, hidden]`.
    ///   - queryLatent: c^Q, `[rows, qRank]`.
    public func callAsFunction(_ x: Tensor, queryLatent: Tensor, ropeTheta: Float) -> KeySelection {
        var caches = [
            SequenceCache(
                layout: CacheLayout(
                    latentRank: 0, ropeDimension: 0, indexWidth: dimension, format: .float32))
        ]
        let batch = RaggedBatch(
            counts: [x.rowCount], caches: caches,
            rotary: RotaryEmbedding(theta: ropeTheta, dimension: ropeDimension))
        caches[0].reserve(x.rowCount)
        var inputs = Inputs(keys: keyDown(x))
        if mustScore(batch) { inputs.query = (queryUp(queryLatent), headWeights(x)) }
        return self(inputs, layer: 0, batch: batch, caches: &caches, trace: nil)
    }
}
