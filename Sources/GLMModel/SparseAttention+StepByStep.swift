import GLMKernels
import GLMTensor

extension SparseAttention {
    /// o of the batch's rows, `[rows, N · V]`, and the keys they attended to: all heads take a step before any takes the next.
    func stepByStep(
        _ c: Tensor, _ indexed: IndexInputs?, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache],
        selection: KeySelection?, trace: Trace?
    ) -> (Tensor, KeySelection) {
        compute.willRead(reads.keys, rows: batch.rowCount)
        let (queries, inputs) = up(c, indexed)  // [q_nope; q^R] = W^UQ c^Q [T, N, P + R]
        compute.finished(.queryUp, layer: layer)
        let keys = chooseKeys(
            inputs, layer: layer, batch: batch, caches: &caches, inherited: selection, trace: trace,
            following: reads.keys)
        compute.willRead(reads.values, rows: batch.rowCount)
        let absorbed = absorb(queries, batch: batch)  // q̃, q^R             [T, N, C + R]
        compute.finished(.absorb, layer: layer)
        let attended = latentAttention(
            absorbed, over: keys, rows: cachedRows(caches, layer: layer), sequenceOfRow: batch.segmentOfRow)
        compute.finished(.attention, layer: layer)  // ô                    [T, N, C]
        compute.willRead(reads.output, rows: batch.rowCount)
        let values = expand(attended, rows: batch.rowCount)  // W^UV_h ô_h  [T, N · V]
        compute.finished(.expand, layer: layer)
        return (values, keys)
    }

    /// Everything that is made of c^Q, in one region: the queries, and the indexer's where it scores.
    private func up(
        _ c: Tensor, _ indexed: IndexInputs?
    ) -> (Tensor, LightningIndexer.Inputs?) {
        guard let indexer, let indexed else { return (queryUp(c), nil) }
        guard let weights = indexed.headWeights else {
            return (queryUp(c), LightningIndexer.Inputs(keys: indexed.keys))
        }
        let made = products([Product(queryUp, of: c), Product(indexer.queryUp, of: c)])
        return (made[0], LightningIndexer.Inputs(keys: indexed.keys, query: (made[1], weights)))
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
