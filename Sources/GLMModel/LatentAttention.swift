public import GLMKernels
public import GLMTensor

/// softmax(q̃ · K) · C over selected cache rows: attention with one key head of width C + R, whose first C
/// elements are also the value, shared by all query heads.
///
/// s_h(t, j) = scale · (q̃_h(t) · [c_j, k^R_j]); ô_h(t) = Σ_j softmax_j(s_h(t)) c_j over j in the row's
/// selection, ascending, softmax in blocks of 256. Knows no weights and no layers.
/// Source: specification §4, absorbed evaluation.
public struct LatentAttention: Sendable {
    let heads: Int
    let latentRank: Int
    let ropeDimension: Int
    let scale: Float
    let compute: Compute

    /// - Parameters:
    ///   - latentRank: C, the part of a row that is also its value.
    ///   - ropeDimension: R, the part behind it that only the score uses.
    ///   - scale: factor of every score, 1/√D in the model.
    public init(heads: Int, latentRank: Int, ropeDimension: Int, scale: Float, compute: Compute) {
        self.heads = heads
        self.latentRank = latentRank
        self.ropeDimension = ropeDimension
        self.scale = scale
        self.compute = compute
    }

    private var width: Int { latentRank + ropeDimension }

    /// Attends to rows of a plain tensor.
    ///
    /// - Parameters:
    ///   - queries: `[rows, heads, C + R]`.
    ///   - keys: `[keys, C + R]`, the rows a cache would hold.
    ///   - selection: the keys of each row.
    /// - Returns: `[rows, heads, C]`; a row that attends to nothing gives zeros.
    public func callAsFunction(_ queries: Tensor, keys: Tensor, selection: KeySelection) -> Tensor {
        precondition(keys.width == width, "keys of width \(keys.width), expected \(width)")
        precondition(
            selection.visible.allSatisfy { $0 <= keys.rowCount },
            "a selection of more than \(keys.rowCount) keys")
        var output = Tensor(zeros: [0, heads, latentRank])
        unsafe keys.values.withUnsafeBufferPointer { rows in
            guard let base = rows.baseAddress else { return }
            output = self(
                queries, over: selection,
                rows: unsafe CachedRows(floats: base, count: keys.rowCount, width: width),
                sequenceOfRow: [Int](repeating: 0, count: selection.rowCount))
        }
        return output
    }

    /// Attends to the rows of paged caches.
    ///
    /// - Parameters:
    ///   - queries: `[rows, heads, C + R]`.
    ///   - rows: this layer's rows of each sequence.
    ///   - sequenceOfRow: the sequence each row belongs to.
    /// - Returns: `[rows, heads, C]`.
    package func callAsFunction(
        _ queries: Tensor, over keys: KeySelection, rows cached: CachedRows, sequenceOfRow: [Int]
    ) -> Tensor {
        let rows = keys.rowCount
        precondition(
            queries.values.count == rows * heads * width, "queries \(queries.shape) for \(rows) rows")
        compute.profile?.add(work(keys, cached.row, sequenceOfRow))
        if rows < compute.pool.threads, cached.row.format == .float32,
            (0..<rows).contains(where: { keys.count($0) > LatentAttention.fewKeys })
        {
            return together(queries, over: keys, rows: cached, sequenceOfRow: sequenceOfRow)
        }
        let parts = headParts(rows: rows)
        return unsafe Tensor(rows: rows, heads: heads, width: latentRank) { attended in
            unsafe queries.values.withUnsafeBufferPointer { queries in
                guard let query = queries.baseAddress else { return }
                unsafe keys.withPositions { positions, bounds in
                    compute.pool.parallel(rows * parts.count) { item, scratch in
                        let (row, part) = item.quotientAndRemainder(dividingBy: parts.count)
                        let first = row * heads + parts[part].lowerBound
                        let chosen =
                            keys.isDense(row) ? nil : unsafe positions.map { unsafe $0 + bounds[row] }
                        unsafe attend(
                            query + first * width, heads: parts[part].count, rows: cached,
                            sequence: sequenceOfRow[row], positions: chosen, count: keys.count(row),
                            into: attended + first * latentRank, scratch)
                    }
                }
            }
        }
    }

    /// The same for fewer rows than threads, row by row: all threads score and sum, each a part of the keys. Every cache row
    /// comes from memory once, where threads with heads of their own would each read all.
    private func together(
        _ queries: Tensor, over keys: KeySelection, rows cached: CachedRows, sequenceOfRow: [Int]
    ) -> Tensor {
        unsafe Tensor(rows: keys.rowCount, heads: heads, width: latentRank) { attended in
            unsafe queries.values.withUnsafeBufferPointer { queries in
                guard let query = queries.baseAddress else { return }
                unsafe keys.withPositions { positions, bounds in
                    for row in 0..<keys.rowCount {
                        let chosen =
                            keys.isDense(row) ? nil : unsafe positions.map { unsafe $0 + bounds[row] }
                        unsafe cached.withKeys(
                            ofSequence: sequenceOfRow[row], positions: chosen, range: 0..<keys.count(row),
                            kernels: compute.kernels
                        ) { keys, _ in
                            unsafe attendTogether(
                                query + row * heads * width, keys, into: attended + row * heads * latentRank)
                        }
                    }
                }
            }
        }
    }

    private func attendTogether(
        _ query: UnsafePointer<Float>, _ keys: KeyRows, into output: UnsafeMutablePointer<Float>
    ) {
        let size = heads * latentRank
        guard keys.count > 0 else { return unsafe output.update(repeating: 0, count: size) }
        let kernels = compute.kernels
        let blocks = Kernels.attentionBlocks(keys.count)
        let scores = UnsafeMutablePointer<Float>.allocate(capacity: heads * keys.count + (blocks - 1) * size)
        let sums = UnsafeMutablePointer<SoftmaxSum>.allocate(capacity: blocks * heads)
        defer {
            unsafe scores.deallocate()
            unsafe sums.deallocate()
        }
        let others = unsafe scores + heads * keys.count
        func values(_ block: Int) -> UnsafeMutablePointer<Float> {
            block == 0 ? unsafe output : unsafe others + (block - 1) * size
        }
        if blocks >= compute.pool.threads {
            // Every thread goes all the way with the rows that it scored.
            compute.pool.parallel(blocks) { block in
                let first = Kernels.attentionKeys(block, of: keys.count).lowerBound
                unsafe kernels.attentionBlock(
                    block, query: query, heads: heads, width: width, latentWidth: latentRank, scale: scale,
                    keys: keys, scratch: scores + heads * first, sums: sums + block * heads,
                    output: values(block))
            }
        } else {
            unsafe attendInSteps(query, keys, scores: scores, sums: sums, values: values)
        }
        // Nothing to merge: the caller divides alone.
        let unit = blocks == 1 ? heads : max(1, LatentAttention.mergedFloats / max(1, blocks * latentRank))
        forEachPart(of: heads, unit: unit) { part in
            for block in 1..<blocks {
                unsafe kernels.attentionMerge(
                    values(block), sums + block * heads, heads: part, latentWidth: latentRank, into: output,
                    sums)
            }
            unsafe kernels.attentionEnd(output, sums, heads: part, latentWidth: latentRank)
        }
        unsafe compute.store(output, count: size)
    }

    /// Fewer blocks than threads, step by step: all threads score, weigh and sum, each some of the keys, the heads and
    /// the columns.
    private func attendInSteps(
        _ query: UnsafePointer<Float>, _ keys: KeyRows, scores: UnsafeMutablePointer<Float>,
        sums: UnsafeMutablePointer<SoftmaxSum>, values: (Int) -> UnsafeMutablePointer<Float>
    ) {
        let kernels = compute.kernels, count = keys.count
        let blocks = Kernels.attentionBlocks(count)
        forEachPart(of: count, unit: LatentAttention.keyUnit) { range in
            unsafe kernels.attentionScores(
                query: query, heads: heads, width: width, keys: keys, range: range,
                output: scores + range.lowerBound, stride: count)
        }
        forEachPart(of: heads, unit: 1) { range in
            for head in range {
                for block in 0..<blocks {
                    let own = Kernels.attentionKeys(block, of: count)
                    unsafe (sums + block * heads + head).initialize(
                        to: kernels.softmaxWeights(
                            scores + head * count + own.lowerBound, scale: scale, count: own.count))
                }
            }
        }
        forEachPart(of: latentRank, unit: LatentAttention.columnUnit) { columns in
            for block in 0..<blocks {
                unsafe kernels.attentionSums(
                    block: block, columns,
                    weights: scores + Kernels.attentionKeys(block, of: count).lowerBound, stride: count,
                    heads: heads, latentWidth: latentRank, keys: keys, output: values(block))
            }
        }
    }

    /// Up to so many keys every thread reads all of them for its own heads: they cost less than threads that meet.
    private static let fewKeys = 128
    /// Keys, columns, and about so many floats of several blocks' values, that one thread takes at least.
    private static let keyUnit = 64
    private static let columnUnit = 64
    private static let mergedFloats = 8192

    /// Cuts 0 ..< `count` into parts of whole units, one for each thread.
    private func forEachPart(of count: Int, unit: Int, _ body: (Range<Int>) -> Void) {
        let units = (count + unit - 1) / unit
        let parts = min(compute.pool.threads, units)
        compute.pool.parallel(parts) { part in
            body(min(count, units * part / parts * unit)..<min(count, units * (part + 1) / parts * unit))
        }
    }

    /// Scores over C + R elements and a sum over C, for every head and key of every row; every sequence's rows
    /// are read once.
    private func work(_ keys: KeySelection, _ row: CacheRow, _ sequenceOfRow: [Int]) -> Work {
        let pairs = (0..<keys.rowCount).reduce(0) { $0 + keys.count($1) }
        let rows = keys.cacheRows(sequenceOfRow)
        return Work(
            bytes: rows * row.bytes,
            operations: 2 * pairs * heads * (width + latentRank))
    }

    /// Some heads of one row.
    private func attend(
        _ query: UnsafePointer<Float>, heads: Int, rows: CachedRows, sequence: Int,
        positions: UnsafePointer<Int32>?, count: Int, into output: UnsafeMutablePointer<Float>,
        _ scratch: Scratch
    ) {
        let floats = Kernels.attentionScratch(heads: heads, latentWidth: latentRank, keys: count)
        unsafe scratch.withFloats(floats) { scratch in
            unsafe rows.withKeys(
                ofSequence: sequence, positions: positions, range: 0..<count, kernels: compute.kernels
            ) { keys, _ in
                unsafe compute.kernels.attend(
                    query: query, heads: heads, width: width, latentWidth: latentRank, scale: scale,
                    keys: keys,
                    scratch: scratch, output: output)
            }
        }
        unsafe compute.store(output, count: heads * latentRank)
    }

    /// With few rows the heads of one row are shared out between threads; each head's result is the same
    /// either way.
    private func headParts(rows: Int) -> [Range<Int>] {
        let threads = compute.pool.threads
        // The fewest parts that give every thread the same number of pieces: each part gathers the rows again.
        let parts =
            (1...max(1, min(heads, threads))).first { rows * $0 % threads == 0 || rows >= 4 * threads } ?? 1
        let size = (heads + parts - 1) / parts
        return stride(from: 0, to: heads, by: size).map { $0..<min(heads, $0 + size) }
    }
}
