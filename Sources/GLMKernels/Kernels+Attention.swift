import CVector

/// Keys that are scored, or summed, together: their rows stay in the second-level cache while all heads pass.
private let blockKeys = 64
/// Columns of a value that one tile sums.
private let tileColumns = 64

extension Kernels {
    /// Latent attention of one query row over gathered cache rows, each head for itself:
    /// output_h = Σ_j softmax_j(scale · q_h · key_j) · key_j[0 ..< latentWidth], positions ascending as
    /// gathered.
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
        attendedColumns(
            0..<latentWidth, weights: scratch, heads: heads, latentWidth: latentWidth, keys: keys,
            output: output)
    }

    /// The first step of `attend` for some of the gathered rows: output[h, j] = q_h · key_j for j in `range`, row
    /// stride `keys.count`.
    public func attentionScores(
        query: UnsafePointer<Float>, heads: Int, width: Int, keys: KeyRows, range: Range<Int>,
        output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= keys.count && width <= keys.width,
            "rows \(range) of \(keys.count)")
        withRowBlock(keys, range) { dots(query, heads: heads, width: width, $0, output: output) }
    }

    /// The last step of `attend` for some columns of the values: output[h, c] = Σ_j weights[h, j] · key_j[c], j
    /// ascending, for c in `columns`.
    /// - Precondition: `columns` begins with a whole 64, and ends with one or with the last.
    public func attendedColumns(
        _ columns: Range<Int>, weights: UnsafePointer<Float>, heads: Int, latentWidth: Int, keys: KeyRows,
        output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            columns.lowerBound % tileColumns == 0
                && (columns.upperBound % tileColumns == 0 || columns.upperBound == latentWidth),
            "columns \(columns) of \(latentWidth)")
        withRowBlock(keys, 0..<keys.count) {
            weightedSum(weights, heads: heads, columns, latentWidth: latentWidth, $0, output: output)
        }
    }

    private func withRowBlock(_ keys: KeyRows, _ range: Range<Int>, _ body: (RowBlock) -> Void) {
        withUnsafeTemporaryAllocation(of: UnsafePointer<Float>.self, capacity: blockKeys) { rows in
            guard let rows = rows.baseAddress else { return }
            body(RowBlock(keys: keys, range: range, rows: rows))
        }
    }

    private func dots(
        _ query: UnsafePointer<Float>, heads: Int, width: Int, _ block: RowBlock,
        output: UnsafeMutablePointer<Float>
    ) {
        let tail = width % 16, groups = width / 16
        withUnsafeTemporaryAllocation(byteCount: (4 + heads) * 64, alignment: 64) { buffer in
            guard let tails = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            if tail > 0 { packTokens(query + groups * 16, width, heads, tail, tails + 64, heads * 16) }
            // Memory is busy from the beginning on; what is asked for row by row comes in time only later.
            block.prefetch(block.range.lowerBound..<block.range.lowerBound + blockKeys, width: width)
            for start in stride(from: block.range.lowerBound, to: block.range.upperBound, by: blockKeys) {
                let count = block.gather(start)
                forEachHeadTile(heads) { first, tileHeads in
                    for quad in stride(from: 0, to: count, by: 4) {
                        let share = first * 4 / heads..<(first + tileHeads) * 4 / heads
                        let next = start + blockKeys + quad
                        block.prefetch(next + share.lowerBound..<next + share.upperBound, width: width)
                        var job = block.tile(quad, count)
                        if tail > 0 {
                            packTails(job, groups * 16, tail, tails)
                            job.row_tails = UnsafePointer(tails)
                            job.query_tails = UnsafePointer(tails + 64 + first * 16)
                        }
                        job.query = query + first * width
                        (job.query_stride, job.groups) = (width, groups)
                        job.y = output + first * block.keys.count + start + quad
                        runRowTile(&job, heads: tileHeads)
                    }
                }
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
        _ block: RowBlock,
        output: UnsafeMutablePointer<Float>
    ) {
        let whole = columns.upperBound / tileColumns * tileColumns, stride = block.keys.count
        for start in Swift.stride(from: 0, to: stride, by: blockKeys) {
            let count = block.gather(start)
            for column in Swift.stride(from: columns.lowerBound, to: whole, by: tileColumns) {
                forEachHeadTile(heads) { first, tileHeads in
                    var job = value_tile(
                        rows: UnsafePointer(block.rows), column: column, count: count,
                        x: weights + first * stride + start, x_stride: stride,
                        y: output + first * latentWidth + column, y_stride: latentWidth,
                        first: start == 0 ? 1 : 0)
                    runValueTile(&job, heads: tileHeads)
                }
            }
            if whole < columns.upperBound {
                sumEdge(
                    weights + start, heads: heads, whole..<latentWidth, block, count: count,
                    isFirst: start == 0, output: output)
            }
        }
    }

    /// The last columns, fewer than a tile: through buffers, so that nothing beyond them is touched.
    private func sumEdge(
        _ weights: UnsafePointer<Float>, heads: Int, _ columns: Range<Int>, _ block: RowBlock, count: Int,
        isFirst: Bool, output: UnsafeMutablePointer<Float>
    ) {
        let width = columns.upperBound, part = columns.count
        withUnsafeTemporaryAllocation(byteCount: (blockKeys + heads) * tileColumns * 4, alignment: 64) {
            guard let panel = $0.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            panel.update(repeating: 0, count: (count + heads) * tileColumns)
            for j in 0..<count {
                packTokens(block.rows[j] + columns.lowerBound, 0, 1, part, panel + j * tileColumns, 16)
            }
            let edge = panel + count * tileColumns
            for h in 0..<heads {
                (edge + h * tileColumns).update(from: output + h * width + columns.lowerBound, count: part)
            }
            var job = transposed_tile(
                panel: panel, x: weights, x_stride: block.keys.count, rows: count, tokens: heads, y: edge,
                y_stride: tileColumns, first: isFirst ? 1 : 0)
            runTransposedTiles(&job)
            for h in 0..<heads {
                (output + h * width + columns.lowerBound).update(from: edge + h * tileColumns, count: part)
            }
        }
    }
}

/// Where the gathered rows of one block lie.
private struct RowBlock {
    let keys: KeyRows
    /// Which of the gathered rows.
    let range: Range<Int>
    let rows: UnsafeMutablePointer<UnsafePointer<Float>>

    /// Finds the rows from `start` on, a block of them at most; how many there are.
    func gather(_ start: Int) -> Int {
        let count = min(blockKeys, range.upperBound - start)
        for index in 0..<count { rows[index] = keys.row(start + index) }
        return count
    }

    /// Rows `quad` to `quad + 3` of the block; the last one again where fewer are left.
    func tile(_ quad: Int, _ count: Int) -> row_tile {
        let last = count - 1
        return row_tile(
            a: rows[quad], b: rows[min(quad + 1, last)], c: rows[min(quad + 2, last)],
            d: rows[min(quad + 3, last)], query: rows[quad], query_stride: 0, groups: 0, row_tails: nil,
            query_tails: nil, y: UnsafeMutablePointer(mutating: rows[quad]), y_stride: keys.count,
            rows: min(4, count - quad))
    }

    /// Asks for rows that will be read: gathered rows lie anywhere. While a block is worked on, each of its
    /// tiles asks for a part of the next one.
    func prefetch(_ range: Range<Int>, width: Int) {
        for index in range.lowerBound..<max(range.lowerBound, min(range.upperBound, self.range.upperBound)) {
            let row = UnsafeRawPointer(keys.row(index))
            for line in Swift.stride(from: 0, to: width * 4, by: 64) { CVector.prefetch(row + line) }
        }
    }
}
