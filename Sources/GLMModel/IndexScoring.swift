public import GLMKernels
public import GLMTensor

/// I(t, j) = Σ_h w_h(t) · relu(q_h(t) · k_j / √J), and the largest of them: the arithmetic of the lightning
/// indexer without its weights.
///
/// Source: specification §5, steps 6 and 7.
public struct IndexScoring: Sendable {
    let heads: Int
    let dimension: Int
    let compute: Compute

    /// Keys scored as one piece of work where there are rows for all threads.
    private static let keysPerBlock = 128
    /// Scores held at once; a long prefill is scored a few rows at a time.
    private static let scoresPerRound = 1 << 22

    /// - Parameters:
    ///   - heads: index heads.
    ///   - dimension: J, width of an index key.
    public init(heads: Int, dimension: Int, compute: Compute) {
        self.heads = heads
        self.dimension = dimension
        self.compute = compute
    }

    /// Scores of every row over the keys it sees.
    ///
    /// - Parameters:
    ///   - queries: rotated queries, `[rows, heads · J]`.
    ///   - headWeights: w with its 1/√heads, `[rows, heads]`; may be negative.
    ///   - keys: rotated, normed keys, `[keys, J]`.
    ///   - visible: how many of the first keys each row sees.
    /// - Returns: `[rows, keys]`, zero where a row does not see the key.
    public func scores(queries: Tensor, headWeights: Tensor, keys: Tensor, visible: [Int]) -> Tensor {
        var scores = Tensor(zeros: [0, keys.rowCount])
        withKeys(keys, visible: visible) { indexKeys in
            scores = self.scores(queries: queries, headWeights: headWeights, keys: indexKeys)
        }
        return scores
    }

    /// The `topK` best keys of every row, higher score first and the lower position at a tie.
    ///
    /// Parameters as for ``scores(queries:headWeights:keys:visible:)``; rows that see no more than `topK`
    /// keys take all.
    public func selection(
        queries: Tensor, headWeights: Tensor, keys: Tensor, visible: [Int], topK: Int
    ) -> KeySelection {
        var selection = KeySelection(visible: visible, topK: topK)
        let sparse = visible.indices.filter { !selection.isDense($0) }
        withKeys(keys, visible: visible) { indexKeys in
            select(
                sparse, topK: topK, queries: queries, headWeights: headWeights, keys: indexKeys,
                into: &selection)
        }
        return selection
    }

    private func withKeys(_ keys: Tensor, visible: [Int], _ body: (IndexKeys) -> Void) {
        precondition(keys.width == dimension, "keys of width \(keys.width), expected \(dimension)")
        precondition(
            visible.allSatisfy { $0 <= keys.rowCount }, "rows that see more than \(keys.rowCount) keys")
        let row = CacheRow(.float32, latent: dimension)
        let pageKeys = KeyColumns.pageKeys
        let pageCount = (keys.rowCount + pageKeys - 1) / pageKeys
        var pages = Tensor(zeros: [pageCount, dimension * pageKeys])
        unsafe pages.values.withUnsafeMutableBufferPointer { pages in
            guard let base = UnsafeMutableRawPointer(pages.baseAddress) else { return }
            let addresses = unsafe (0..<pageCount).map {
                unsafe UnsafeRawPointer(base + $0 * pageKeys * row.bytes)
            }
            for key in 0..<keys.rowCount {
                let (page, slot) = key.quotientAndRemainder(dividingBy: pageKeys)
                unsafe Array(keys.row(key)).withUnsafeBufferPointer {
                    guard let elements = $0.baseAddress else { return }
                    unsafe compute.kernels.storeColumn(
                        elements, as: row, page: base + page * pageKeys * row.bytes, slot: slot)
                }
            }
            body(
                unsafe IndexKeys(
                    row: row, pages: [addresses], sequenceOfRow: [Int](repeating: 0, count: visible.count),
                    visible: visible))
        }
    }

    /// All scores of all rows, `[rows, longest visible]`, zero where a row does not see the key.
    package func scores(queries: Tensor, headWeights: Tensor, keys: IndexKeys) -> Tensor {
        let rows = keys.visible.count
        let longest = (0..<rows).map { keys.extent(ofRow: $0) }.max() ?? 0
        var table = Tensor(zeros: [rows, longest])
        unsafe table.values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            unsafe score(
                Array(0..<rows), offsets: (0...rows).map { $0 * longest }, queries: queries,
                headWeights: headWeights, keys: keys, into: base)
        }
        return table
    }

    /// Scores `rows` and writes the positions they select.
    package func select(
        _ rows: [Int], topK: Int, queries: Tensor, headWeights: Tensor, keys: IndexKeys,
        into selection: inout KeySelection
    ) {
        compute.profile?.add(work(rows, keys))
        for round in rounds(rows, keys: keys) {
            var offsets = [0]
            for row in round { offsets.append((offsets.last ?? 0) + keys.extent(ofRow: row)) }
            let scores = UnsafeMutablePointer<Float>.allocate(capacity: offsets.last ?? 0)
            defer { unsafe scores.deallocate() }
            unsafe score(
                round, offsets: offsets, queries: queries, headWeights: headWeights, keys: keys, into: scores)
            unsafe selection.fill { positions, bounds in
                compute.pool.parallel(round.count) { index, scratch in
                    let row = round[index]
                    let (from, target) = unsafe (scores + offsets[index], positions + bounds[row])
                    let branch = keys.branch(ofRow: row)
                    unsafe branch?.gather(from)
                    let count = unsafe compute.kernels.selectLargest(
                        from, count: keys.visible[row], k: topK, into: target, scratch: scratch)
                    unsafe branch?.restore(target, count: count)
                }
            }
        }
    }

    /// A dot of J elements for every head, row and visible key; every sequence's keys are read once.
    private func work(_ rows: [Int], _ keys: IndexKeys) -> Work {
        let pairs = rows.reduce(0) { $0 + keys.visible[$1] }
        var longest: [Int: Int] = [:]
        for row in rows {
            longest[keys.sequenceOfRow[row]] = max(
                longest[keys.sequenceOfRow[row]] ?? 0, keys.visible[row])
        }
        return Work(
            bytes: longest.values.reduce(0, +) * keys.row.bytes,
            operations: 2 * pairs * heads * dimension)
    }

    /// Splits rows so that one round's scores stay within a bounded buffer.
    private func rounds(_ rows: [Int], keys: IndexKeys) -> [[Int]] {
        var rounds: [[Int]] = []
        var (current, held): ([Int], Int) = ([], 0)
        for row in rows {
            if !current.isEmpty, held + keys.visible[row] > IndexScoring.scoresPerRound {
                rounds.append(current)
                (current, held) = ([], 0)
            }
            current.append(row)
            held += keys.visible[row]
        }
        return current.isEmpty ? rounds : rounds + [current]
    }

    /// Of fewer rows than threads: about a quarter of a thread's share of a row's keys, in whole pages, at most eight, so that
    /// nobody is late by much.
    private func pieceOfLoneRow(_ keys: Int) -> Int {
        let pages = keys / (4 * compute.pool.threads) / KeyColumns.pageKeys
        return max(1, min(pages, 8)) * KeyColumns.pageKeys
    }

    /// Scores of `rows` over all keys they see, the i-th at `offsets[i]`; blocks of keys in parallel.
    private func score(
        _ rows: [Int], offsets: [Int], queries: Tensor, headWeights: Tensor, keys: IndexKeys,
        into scores: UnsafeMutablePointer<Float>
    ) {
        var work: [(index: Int, keys: Range<Int>)] = []
        for (index, row) in rows.enumerated() {
            let extent = keys.extent(ofRow: row)
            let step = rows.count < compute.pool.threads ? pieceOfLoneRow(extent) : IndexScoring.keysPerBlock
            for low in stride(from: 0, to: extent, by: step) {
                work.append((index, low..<min(extent, low + step)))
            }
        }
        let scale = 1 / Float(dimension).squareRoot()
        unsafe queries.values.withUnsafeBufferPointer { queries in
            unsafe headWeights.values.withUnsafeBufferPointer { weights in
                guard let query = queries.baseAddress, let weight = weights.baseAddress else { return }
                compute.pool.parallel(work.count) { item in
                    let (index, range) = work[item]
                    let row = rows[index]
                    unsafe keys.pages[keys.sequenceOfRow[row]].withUnsafeBufferPointer { pages in
                        guard let pages = pages.baseAddress else { return }
                        unsafe compute.kernels.indexScores(
                            query: query + row * heads * dimension, headWeights: weight + row * heads,
                            heads: heads, scale: scale,
                            keys: KeyColumns(pages: pages, row: keys.row, count: keys.extent(ofRow: row)),
                            range: range, output: scores + offsets[index])
                    }
                }
            }
        }
    }
}

/// The index keys the rows of a batch see, where the caches keep them.
@safe
package struct IndexKeys {
    /// What a key is.
    let row: CacheRow
    /// For each sequence, where its pages hold the layer's keys.
    fileprivate let pages: [[UnsafeRawPointer]]
    let sequenceOfRow: [Int]
    /// How many keys each row sees.
    let visible: [Int]
    /// What rows of a tree see; empty when there are none.
    private let branches: [RowBranch?]

    init(
        row: CacheRow, pages: [[UnsafeRawPointer]], sequenceOfRow: [Int], visible: [Int],
        branches: [RowBranch?] = []
    ) {
        self.row = row
        unsafe self.pages = unsafe pages
        self.sequenceOfRow = sequenceOfRow
        self.visible = visible
        self.branches = branches
    }

    /// What scoring all rows reads, sequence by sequence.
    var memory: ReadingOrder {
        var seen = unsafe [Int](repeating: 0, count: pages.count)
        for row in sequenceOfRow.indices {
            seen[sequenceOfRow[row]] = max(seen[sequenceOfRow[row]], extent(ofRow: row))
        }
        var order: ReadingOrder = []
        for (sequence, keys) in seen.enumerated() {
            let used = (keys + KeyColumns.pageKeys - 1) / KeyColumns.pageKeys
            unsafe order.append(
                contentsOf: MemoryStretch.pieces(
                    of: row.bytes * KeyColumns.pageKeys, at: pages[sequence], count: used))
        }
        return order
    }

    func branch(ofRow row: Int) -> RowBranch? { branches.isEmpty ? nil : branches[row] }

    /// How many of the first cache rows are scored for a row: in a tree some that it does not see.
    func extent(ofRow row: Int) -> Int { branch(ofRow: row)?.extent ?? visible[row] }

    init(layer: Int, batch: RaggedBatch, caches: [SequenceCache]) {
        unsafe self.init(
            row: caches.first?.layout.indexRow ?? CacheRow(.float32, latent: 0),
            pages: caches.map { unsafe $0.indexPages(layer: layer) },
            sequenceOfRow: batch.segmentOfRow, visible: batch.visibleKeys, branches: batch.branches)
    }
}

extension RowBranch {
    /// Moves the scores of the path together behind those of the prefix.
    fileprivate func gather(_ scores: UnsafeMutablePointer<Float>) {
        for (index, key) in path.enumerated() { unsafe scores[base + index] = unsafe scores[Int(key)] }
    }

    /// Turns places among gathered scores into cache rows.
    fileprivate func restore(_ positions: UnsafeMutablePointer<Int32>, count: Int) {
        for index in 0..<count where unsafe Int(positions[index]) >= base {
            unsafe positions[index] = unsafe path[Int(positions[index]) - base]
        }
    }
}
