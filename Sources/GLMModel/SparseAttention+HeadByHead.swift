import GLMKernels
import GLMTensor
import GLMWeights

/// A row alone: queries, absorption, attention and expansion are products of one head's weights, which do not wait for those of
/// other heads. Threads that take some heads all the way meet once, not after every step.
extension SparseAttention {
    /// Heads of a part with few keys, at least: more parts are shared out more evenly, and fewer begin fewer streams.
    private static let leastHeads = 4

    /// Whether a batch is one row of a layer whose heads are soon done. Bits are those of the steps.
    func goesHeadByHead(_ batch: RaggedBatch) -> Bool {
        let threads = compute.pool.threads
        guard batch.rowCount == 1, heads > 0, heads % threads == 0 else { return false }
        let bytes = queryUp.weight.view.byteCount + latentUp.view.byteCount
        return compute.keepsTogether(threads, bytes: bytes / threads)
    }

    /// o of the only row, `[1, N · V]`, and the keys it attended to.
    func headByHead(
        _ c: Tensor, _ indexed: IndexInputs?, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache],
        selection: KeySelection?, trace: Trace?
    ) -> (Tensor, KeySelection) {
        let inputs = indexQueries(c, indexed, layer: layer)
        let keys = chooseKeys(
            inputs, layer: layer, batch: batch, caches: &caches, inherited: selection, trace: trace,
            following: reads.queries)
        compute.willRead(reads.output, rows: 1)
        let rows = cachedRows(caches, layer: layer)
        compute.profile?.add(headWork + latentAttention.work(keys, rows.row, batch.segmentOfRow))
        let part = headsOfPart(keys: keys.count(0))
        let values = unsafe Tensor(rows: 1, width: heads * valueDimension) { values in
            unsafe c.values.withUnsafeBufferPointer { c in
                guard let c = c.baseAddress else { return }
                unsafe keys.withPositions { positions, bounds in
                    let chosen = keys.isDense(0) ? nil : unsafe positions.map { unsafe $0 + bounds[0] }
                    compute.pool.parallel(heads / part) { index, scratch in
                        let own = index * part..<(index + 1) * part
                        unsafe scratch.withFloats(part * (latentRank + rope + latentRank)) { absorbed in
                            let attended = unsafe absorbed + part * (latentRank + rope)
                            unsafe absorb(c, heads: own, angles: batch.angles, into: absorbed, scratch)
                            unsafe latentAttention.attend(
                                absorbed, heads: part, rows: rows, sequence: batch.segmentOfRow[0],
                                positions: chosen, count: keys.count(0), into: attended, scratch)
                            unsafe expand(attended, heads: own, into: values, scratch)
                        }
                    }
                }
            }
        }
        compute.finished(.heads, layer: layer)
        return (values, keys)
    }

    /// The indexer's queries where it scores, in a region of their own: it must have chosen before heads attend.
    private func indexQueries(
        _ c: Tensor, _ indexed: IndexInputs?, layer: Int
    ) -> LightningIndexer.Inputs? {
        guard let indexer, let indexed else { return nil }
        guard let weights = indexed.headWeights else { return LightningIndexer.Inputs(keys: indexed.keys) }
        let queries = indexer.queryUp(c)
        compute.finished(.queryUp, layer: layer)
        return LightningIndexer.Inputs(keys: indexed.keys, query: (queries, weights))
    }

    /// Heads that one thread takes at a time: as few as pay where keys are few, else all of a thread's, since each part reads
    /// all keys.
    private func headsOfPart(keys: Int) -> Int {
        let own = heads / compute.pool.threads
        if keys > LatentAttention.fewKeys { return own }
        return (1...own).first { $0 >= SparseAttention.leastHeads && own % $0 == 0 } ?? own
    }

    /// What the weights of all heads cost.
    private var headWork: Work {
        (0..<heads).reduce(queryUp.weight.view.work(tokens: 1)) {
            $0 + keyRows(ofHead: $1).work(tokens: 1) + valueRows(ofHead: $1).work(tokens: 1)
        }
    }

    /// Rows of W^UQ that belong to some heads.
    private func queryRows(ofHeads own: Range<Int>) -> WeightView {
        queryUp.weight.view.rows(own.lowerBound * (nope + rope)..<own.upperBound * (nope + rope))
    }

    /// q̃_h = Wk_hᵀ q_nope beside the rotated q^R, with q = W^UQ c^Q: `[own, C + R]`.
    private func absorb(
        _ c: UnsafePointer<Float>, heads own: Range<Int>, angles: RotaryAngles,
        into absorbed: UnsafeMutablePointer<Float>, _ scratch: Scratch
    ) {
        let kernels = compute.kernels, weight = queryRows(ofHeads: own)
        unsafe scratch.withFloats(weight.rows) { query in
            unsafe kernels.product(
                weight, rows: 0..<weight.rows, x: c, tokens: 1, xStride: 0, y: query, yStride: 0,
                scratch: scratch, next: keyRows(ofHead: own.lowerBound).base)
            for head in own {
                let next =
                    head + 1 < own.upperBound ? keyRows(ofHead: head + 1) : valueRows(ofHead: own.lowerBound)
                let from = unsafe query + (head - own.lowerBound) * (nope + rope)
                let to = unsafe absorbed + (head - own.lowerBound) * (latentRank + rope)
                unsafe kernels.transposedProduct(
                    keyRows(ofHead: head), columns: 0..<latentRank, x: from, tokens: 1, xStride: 0, y: to,
                    yStride: 0, next: next.base)
                unsafe (to + latentRank).update(from: from + nope, count: rope)
                unsafe angles.rotate(to + latentRank, row: 0, kernels: kernels)
            }
        }
    }

    /// o_h = W^UV_h ô_h of some heads, into `[N · V]`.
    private func expand(
        _ attended: UnsafePointer<Float>, heads own: Range<Int>, into values: UnsafeMutablePointer<Float>,
        _ scratch: Scratch
    ) {
        for head in own {
            let next =
                unsafe head + 1 < own.upperBound
                ? valueRows(ofHead: head + 1).base
                : own.upperBound < heads ? queryRows(ofHeads: own.upperBound..<heads).base : nil
            unsafe compute.kernels.product(
                valueRows(ofHead: head), rows: 0..<valueDimension,
                x: attended + (head - own.lowerBound) * latentRank, tokens: 1, xStride: 0,
                y: values + head * valueDimension, yStride: 0, scratch: scratch, next: next)
        }
    }
}
