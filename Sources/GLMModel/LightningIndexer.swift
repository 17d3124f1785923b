package import GLMFiles
package import GLMKernels
import GLMTensor
package import GLMWeights

/// The lightning indexer of DeepSeek Sparse Attention: which keys a query attends to.
///
/// I(t, j) = Σ_h w_h(t) · relu(q_h(t) · k_j / √J) / √heads, in Float32; the `topK` largest over j ≤ t are
/// selected, higher score first and the lower position at a tie.
///
/// A class, since it is a dozen references, which every copy would count.
/// Source: specification §5; DeepSeek-V3.2 §2.1; transformers `GlmMoeDsaIndexer` (interleaved rope, on the
/// *first* elements of a head; key norm with mean, bias and ε = 1e-6).
public final class LightningIndexer: Sendable {
    let queryUp: Linear
    let keyDown: Linear
    let keyNorm: LayerNorm
    let headWeights: Linear
    let heads: Int
    let dimension: Int
    let ropeDimension: Int
    let topK: Int
    let policy: KeySelection.Policy
    let scoring: IndexScoring
    let compute: Compute

    /// ε of the key norm, fixed by the reference.
    package static let keyNormEpsilon: Float = 1e-6

    /// The parts, already joined to the machine that runs them.
    init(
        queryUp: Linear, keyDown: Linear, keyNorm: LayerNorm, headWeights: Linear, ropeDimension: Int,
        topK: Int, policy: KeySelection.Policy, compute: Compute
    ) {
        self.queryUp = queryUp
        self.keyDown = keyDown
        self.keyNorm = keyNorm
        self.headWeights = headWeights
        self.ropeDimension = ropeDimension
        self.topK = topK
        self.policy = policy
        self.compute = compute
        (heads, dimension) = (headWeights.weight.rows, keyDown.weight.rows)
        scoring = IndexScoring(heads: heads, dimension: dimension, compute: compute)
    }

    /// Reads `self_attn.indexer.*`.
    package convenience init(
        weights: WeightScope, configuration: GLMConfiguration, policy: KeySelection.Policy, compute: Compute
    ) throws(InputError) {
        let (heads, dimension) = (configuration.indexHeadCount, configuration.indexHeadDimension)
        func linear(_ name: String, _ rows: Int, _ columns: Int) throws(InputError) -> Linear {
            Linear(try weights.matrix(name + ".weight", rows: rows, columns: columns), compute: compute)
        }
        try self.init(
            queryUp: linear("wq_b", heads * dimension, configuration.queryRank),
            keyDown: linear("wk", dimension, configuration.hiddenSize),
            keyNorm: LayerNorm(
                weight: weights.vector("k_norm.weight", count: dimension),
                bias: weights.vector("k_norm.bias", count: dimension),
                epsilon: LightningIndexer.keyNormEpsilon, compute: compute),
            headWeights: Linear(
                weights.matrix("weights_proj.weight", rows: heads, columns: configuration.hiddenSize),
                compute: compute, role: .decision),
            ropeDimension: configuration.ropeDimension, topK: configuration.indexTopK, policy: policy,
            compute: compute)
    }

    /// Whether some row sees more keys than it may attend to, so that keys must be scored.
    package func mustScore(_ batch: RaggedBatch) -> Bool { batch.visibleKeys.contains { $0 > topK } }

    /// What the indexer makes of a layer's input and query latent, before it chooses.
    package struct Inputs {
        /// W^K x, `[rows, J]`.
        var keys: Tensor
        /// W^QI c^Q and W^w x, `[rows, heads · J]` and `[rows, heads]`; nil where nothing is scored.
        var query: (raw: Tensor, headWeights: Tensor)?
    }

    /// Writes the rows' index keys and selects their keys.
    ///
    /// - Parameters:
    ///   - trace: receives the scores `[rows, keys]` when given; otherwise rows that see no more than `topK` keys are
    ///     not scored at all.
    ///   - following: what is read behind the choice.
    /// - Precondition: the query is there when `mustScore` says so or there is a trace.
    package func callAsFunction(
        _ inputs: Inputs, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache], trace: Trace?,
        following: ReadingOrder = []
    ) -> KeySelection {
        let keys = inputs.query.map { _ in IndexKeys(layer: layer, batch: batch, caches: caches) }
        if let keys { compute.readsNext(keys.memory, rows: batch.rowCount) }
        writeKeys(keyNorm(inputs.keys), layer: layer, batch: batch, caches: caches)
        compute.finished(.indexKey, layer: layer)

        let visible = batch.visibleKeys
        var selection = KeySelection(visible: visible, topK: topK, branches: batch.branches)
        guard let query = inputs.query, let keys else {
            precondition(
                !mustScore(batch) && trace == nil, "layer \(layer) must score and was given no query")
            return selection
        }
        let sparse = (0..<batch.rowCount).filter { visible[$0] > topK }
        let queries = rotated(query.raw, batch: batch)  // [rows, heads · J]
        let weights = scaled(query.headWeights)  // [rows, heads]
        compute.willRead(following, rows: batch.rowCount)
        if let trace {
            let scores = scoring.scores(queries: queries, headWeights: weights, keys: keys)
            trace(.indexScores(layer: layer, scores))
        }
        switch policy {
        case .indexer:
            scoring.select(
                sparse, topK: topK, queries: queries, headWeights: weights, keys: keys, into: &selection)
        case .recent: selection = KeySelection(recent: topK, visible: batch.visibleKeys)
        }
        compute.finished(.indexScores, layer: layer)
        return selection
    }

    /// Writes index keys, W^K x given, for rows that ask nothing themselves.
    func remember(_ keys: Tensor, layer: Int, batch: RaggedBatch, caches: [SequenceCache]) {
        writeKeys(keyNorm(keys), layer: layer, batch: batch, caches: caches)
    }

    /// k = rope(LayerNorm(W^K x)), the only write to the index keys.
    private func writeKeys(_ keys: Tensor, layer: Int, batch: RaggedBatch, caches: [SequenceCache]) {
        unsafe keys.values.withUnsafeBufferPointer { keys in
            guard let key = keys.baseAddress else { return }
            compute.forEachRow(batch.rowCount) { row in
                unsafe withTemporaryMemory(of: Float.self, count: dimension) {
                    guard let target = $0.baseAddress else { return }
                    unsafe target.update(from: key + row * dimension, count: dimension)
                    unsafe batch.angles.rotate(target, row: row, kernels: compute.kernels)
                    unsafe compute.store(target, count: dimension)
                    unsafe caches[batch.segmentOfRow[row]].store(
                        target, indexKeyOf: layer, position: batch.slots[row],
                        kernels: compute.kernels)
                }
            }
        }
    }

    /// Rotates the first R elements of every index head.
    private func rotated(_ queries: Tensor, batch: RaggedBatch) -> Tensor {
        var queries = queries
        unsafe queries.values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            compute.forEachRow(batch.rowCount) { row in
                for head in 0..<heads {
                    unsafe batch.angles.rotate(
                        base + (row * heads + head) * dimension, row: row, kernels: compute.kernels)
                }
                unsafe compute.store(base + row * heads * dimension, count: heads * dimension)
            }
        }
        return queries
    }

    /// w = W^w x / √heads: raw, possibly negative.
    private func scaled(_ raw: Tensor) -> Tensor {
        var weights = raw
        let scale = 1 / Float(heads).squareRoot()
        for index in weights.values.indices { weights.values[index] *= scale }
        return weights
    }
}
