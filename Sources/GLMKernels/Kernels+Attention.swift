import CVector

/// Keys whose rows stay in the nearest cache while all heads pass over some columns of them.
private let panelKeys = 64
/// Columns of a value that one tile sums.
private let tileColumns = 64
/// Gathered rows lie anywhere, so they are asked for by hand: as many rows ahead of those that are scored.
private let rowsAhead = 8

extension Kernels {
    /// Keys whose values are added in one go: the sums of such blocks are then added in the blocks' order, whoever
    /// made them.
    public static let attentionBlock = 256

    /// Latent attention of one query row over gathered cache rows, each head for itself:
    /// output_h = Σ_j softmax_j(scale · q_h · key_j) · key_j[0 ..< latentWidth], positions ascending as
    /// gathered within a block of `attentionBlock`, then block by block.
    ///
    /// - Parameters:
    ///   - query: `[heads, width]`.
    ///   - keys: rows of at least `width` floats. No rows give zeros.
    ///   - scratch: `[heads, keys.count]`, left with the attention weights.
    ///   - output: `[heads, latentWidth]`.
    /// - Precondition: `latentWidth ≤ width ≤ keys.width`.
    public func attend(
        query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float, keys: KeyRows,
        scratch: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(latentWidth <= width && width <= keys.width, "\(latentWidth) ≤ \(width) ≤ \(keys.width)")
        if heads <= 0 { return }
        if keys.count == 0 { return output.update(repeating: 0, count: heads * latentWidth) }
        attentionScores(
            query: query, heads: heads, width: width, keys: keys, range: 0..<keys.count, output: scratch)
        for h in 0..<heads { softmax(scratch + h * keys.count, scale: scale, count: keys.count) }
        let size = heads * latentWidth
        attentionSums(
            block: 0, 0..<latentWidth, weights: scratch, heads: heads, latentWidth: latentWidth, keys: keys,
            output: output)
        if keys.count <= Kernels.attentionBlock { return }
        withUnsafeTemporaryAllocation(byteCount: size * 4, alignment: 64) { buffer in
            guard let sums = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            for block in 1..<Kernels.attentionBlocks(keys.count) {
                attentionSums(
                    block: block, 0..<latentWidth, weights: scratch, heads: heads, latentWidth: latentWidth,
                    keys: keys, output: sums)
                add(output, sums, count: size, output: output)
            }
        }
    }

    /// How many blocks `keys` rows make.
    public static func attentionBlocks(_ keys: Int) -> Int { (keys + attentionBlock - 1) / attentionBlock }

    /// The first step of `attend` for some of the gathered rows: output[h, j] = q_h · key_j for j in `range`, row
    /// stride `keys.count`.
    public func attentionScores(
        query: UnsafePointer<Float>, heads: Int, width: Int, keys: KeyRows, range: Range<Int>,
        output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= keys.count && width <= keys.width,
            "rows \(range) of \(keys.count)")
        let tail = width % 16, groups = width / 16
        withUnsafeTemporaryAllocation(byteCount: (4 + heads) * 64, alignment: 64) { buffer in
            guard let tails = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            if tail > 0 { packTokens(query + groups * 16, width, heads, tail, tails + 64, heads * 16) }
            for row in range.prefix(rowsAhead) { keys.prefetch(row, width: width) }
            for start in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                var job = keys.tile(start..<min(start + 4, range.upperBound))
                job.groups = groups
                job.query_stride = width
                if tail > 0 {
                    packTails(job, groups * 16, tail, tails)
                    job.row_tails = UnsafePointer(tails)
                }
                let later = min(start + rowsAhead, range.upperBound)..<range.upperBound
                if !later.isEmpty { keys.ask(&job, later) }
                forEachHeadTile(heads) { first, tileHeads in
                    // Every tile asks for its share of the four rows that come later.
                    let share = first * 4 / heads..<(first + tileHeads) * 4 / heads
                    job.asked = later.isEmpty ? 0 : share.count
                    job.asked_before = share.lowerBound * groups
                    job.query = query + first * width
                    if tail > 0 { job.query_tails = UnsafePointer(tails + 64 + first * 16) }
                    job.y = output + first * keys.count + start
                    runRowTile(&job, heads: tileHeads)
                }
            }
        }
    }

    /// The last step of `attend` for one block of keys and some columns of the values: output[h, c] = Σ_j weights[h, j] ·
    /// key_j[c], j ascending, for the keys j of `block` and c in `columns`.
    ///
    /// - Parameter output: `[heads, latentWidth]`.
    /// - Precondition: `columns` begins with a whole 64, and ends with one or with the last.
    public func attentionSums(
        block: Int, _ columns: Range<Int>, weights: UnsafePointer<Float>, heads: Int, latentWidth: Int,
        keys: KeyRows, output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            columns.lowerBound % tileColumns == 0
                && (columns.upperBound % tileColumns == 0 || columns.upperBound == latentWidth),
            "columns \(columns) of \(latentWidth)")
        let first = block * Kernels.attentionBlock
        withUnsafeTemporaryAllocation(of: UnsafePointer<Float>.self, capacity: panelKeys) { rows in
            guard let rows = rows.baseAddress else { return }
            let end = min(first + Kernels.attentionBlock, keys.count)
            for start in stride(from: first, to: end, by: panelKeys) {
                let panel = KeyPanel(keys: keys, start: start, count: min(panelKeys, end - start), rows: rows)
                weightedSum(
                    weights, heads: heads, columns, latentWidth: latentWidth, panel, isFirst: start == first,
                    output: output)
            }
        }
    }

    /// The last columns of four rows, fewer than 16, filled with zeros.
    private func packTails(_ job: row_tile, _ column: Int, _ count: Int, _ tails: UnsafeMutablePointer<Float>)
    {
        packTokens(job.a + column, 0, 1, count, tails, 16)
        packTokens(job.b + column, 0, 1, count, tails + 16, 16)
        packTokens(job.c + column, 0, 1, count, tails + 32, 16)
        packTokens(job.d + column, 0, 1, count, tails + 48, 16)
    }

    /// Heads in tiles of at most six, as even as can be.
    private func forEachHeadTile(_ heads: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
        let tiles = (heads + tileWidth - 1) / tileWidth
        var first = 0
        for tile in 0..<tiles {
            let count = tileTokens(heads, tiles, tile)
            body(first, count)
            first += count
        }
    }

    private func weightedSum(
        _ weights: UnsafePointer<Float>, heads: Int, _ columns: Range<Int>, latentWidth: Int,
        _ panel: KeyPanel,
        isFirst: Bool, output: UnsafeMutablePointer<Float>
    ) {
        let whole = columns.upperBound / tileColumns * tileColumns, stride = panel.keys.count
        for column in Swift.stride(from: columns.lowerBound, to: whole, by: tileColumns) {
            forEachHeadTile(heads) { first, tileHeads in
                var job = value_tile(
                    rows: UnsafePointer(panel.rows), column: column, count: panel.count,
                    x: weights + first * stride + panel.start, x_stride: stride,
                    y: output + first * latentWidth + column, y_stride: latentWidth,
                    first: isFirst ? 1 : 0)
                runValueTile(&job, heads: tileHeads)
            }
        }
        if whole < columns.upperBound {
            sumEdge(
                weights + panel.start, heads: heads, whole..<latentWidth, panel, isFirst: isFirst,
                output: output)
        }
    }

    /// The last columns, fewer than a tile: through buffers, so that nothing beyond them is touched.
    private func sumEdge(
        _ weights: UnsafePointer<Float>, heads: Int, _ columns: Range<Int>, _ keys: KeyPanel, isFirst: Bool,
        output: UnsafeMutablePointer<Float>
    ) {
        let width = columns.upperBound, part = columns.count, count = keys.count
        withUnsafeTemporaryAllocation(byteCount: (panelKeys + heads) * tileColumns * 4, alignment: 64) {
            guard let panel = $0.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            panel.update(repeating: 0, count: (count + heads) * tileColumns)
            for j in 0..<count {
                packTokens(keys.rows[j] + columns.lowerBound, 0, 1, part, panel + j * tileColumns, 16)
            }
            let edge = panel + count * tileColumns
            for h in 0..<heads {
                (edge + h * tileColumns).update(from: output + h * width + columns.lowerBound, count: part)
            }
            var job = transposed_tile(
                panel: panel, x: weights, x_stride: keys.keys.count, rows: count, tokens: heads, y: edge,
                y_stride: tileColumns, first: isFirst ? 1 : 0)
            runTransposedTiles(&job)
            for h in 0..<heads {
                (output + h * width + columns.lowerBound).update(from: edge + h * tileColumns, count: part)
            }
        }
    }
}

/// Where some gathered rows lie.
private struct KeyPanel {
    let keys: KeyRows
    /// Of the gathered rows the first, and how many.
    let start, count: Int
    let rows: UnsafePointer<UnsafePointer<Float>>

    /// Finds the rows and writes their addresses to `rows`.
    init(keys: KeyRows, start: Int, count: Int, rows: UnsafeMutablePointer<UnsafePointer<Float>>) {
        (self.keys, self.start, self.count) = (keys, start, count)
        for index in 0..<count { rows[index] = keys.row(start + index) }
        self.rows = UnsafePointer(rows)
    }
}

extension KeyRows {
    /// Up to four rows; the last one again where fewer are left.
    fileprivate func tile(_ range: Range<Int>) -> row_tile {
        let first = range.lowerBound, last = range.upperBound - 1
        let a = row(first)
        return row_tile(
            a: a, b: row(min(first + 1, last)), c: row(min(first + 2, last)), d: row(min(first + 3, last)),
            query: a, query_stride: 0, groups: 0, row_tails: nil, query_tails: nil,
            y: UnsafeMutablePointer(mutating: a), y_stride: count, rows: range.count, next_a: a, next_b: a,
            next_c: a, next_d: a, asked: 0, asked_before: 0)
    }

    /// Makes a tile ask for the first four of `rows`; for the last one again where fewer are left.
    fileprivate func ask(_ job: inout row_tile, _ rows: Range<Int>) {
        let first = rows.lowerBound, last = rows.upperBound - 1
        job.next_a = row(first)
        job.next_b = row(min(first + 1, last))
        job.next_c = row(min(first + 2, last))
        job.next_d = row(min(first + 3, last))
    }

    /// Asks for a row at once.
    fileprivate func prefetch(_ index: Int, width: Int) {
        let row = UnsafeRawPointer(self.row(index))
        for line in stride(from: 0, to: width * 4, by: 64) { CVector.prefetch(row + line) }
    }
}
