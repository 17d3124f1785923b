import CVector

/// Keys whose rows stay in the nearest cache while all heads pass over some columns of them.
private let panelKeys = 64
/// Columns of a value that one tile sums.
private let tileColumns = 64
/// Gathered rows lie anywhere, so they are asked for by hand: as many rows ahead of those that are scored.
private let rowsAhead = 8

/// Which of four lines the tile of `count` heads from `first` on asks for, while all tiles pass over the same keys.
package func attentionLinesAsked(_ first: Int, _ count: Int, of heads: Int) -> Range<Int> {
    first * 4 / heads..<(first + count) * 4 / heads
}

extension Kernels {
    /// Keys of one block of the softmax: its weights and the sum of its values stand alone, and are then merged with those
    /// of other blocks in their order, whoever made them.
    public static let attentionBlock = 256

    /// How many blocks `keys` rows make.
    public static func attentionBlocks(_ keys: Int) -> Int { (keys + attentionBlock - 1) / attentionBlock }

    /// Latent attention of one query row over gathered cache rows, each head for itself:
    /// output_h = Σ_j softmax_j(scale · q_h · key_j) · key_j[0 ..< latentWidth], positions ascending as gathered
    /// within a block of `attentionBlock`, then block by block.
    ///
    /// - Parameters:
    ///   - query: `[heads, width]`.
    ///   - keys: rows of at least `width` floats. No rows give zeros.
    ///   - scratch: as many floats as `attentionScratch` says.
    ///   - output: `[heads, latentWidth]`.
    /// - Precondition: `latentWidth ≤ width ≤ keys.width`.
    public func attend(
        query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float, keys: KeyRows,
        scratch: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(latentWidth <= width && width <= keys.width, "\(latentWidth) ≤ \(width) ≤ \(keys.width)")
        if heads <= 0 { return }
        if keys.count == 0 { return output.update(repeating: 0, count: heads * latentWidth) }
        let values = scratch + heads * min(keys.count, Kernels.attentionBlock)
        withTemporaryMemory(of: SoftmaxSum.self, count: 2 * heads) { sums in
            guard let all = sums.baseAddress else { return }
            for block in 0..<Kernels.attentionBlocks(keys.count) {
                attentionBlock(
                    block, query: query, heads: heads, width: width, latentWidth: latentWidth, scale: scale,
                    keys: keys, scratch: scratch, sums: block == 0 ? all : all + heads,
                    output: block == 0 ? output : values)
                if block > 0 {
                    attentionMerge(
                        values, all + heads, heads: 0..<heads, latentWidth: latentWidth, into: output, all)
                }
            }
            attentionEnd(output, all, heads: 0..<heads, latentWidth: latentWidth)
        }
    }

    /// Floats that `attend` writes to while it works: `[heads, keys of a block]`, and `[heads, latentWidth]` where
    /// there are several.
    public static func attentionScratch(heads: Int, latentWidth: Int, keys: Int) -> Int {
        heads * (min(keys, attentionBlock) + (keys > attentionBlock ? latentWidth : 0))
    }

    /// One block of `attend` from the scores to the sums of its values, `[heads, latentWidth]`.
    ///
    /// - Parameters:
    ///   - scratch: `[heads, keys of the block]`, left with the weights.
    ///   - sums: receives those of the weights, one for each head.
    /// - Precondition: `latentWidth ≤ width ≤ keys.width`, `block < attentionBlocks(keys.count)`.
    public func attentionBlock(
        _ block: Int, query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float,
        keys: KeyRows, scratch: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<SoftmaxSum>,
        output: UnsafeMutablePointer<Float>
    ) {
        let range = Kernels.attentionKeys(block, of: keys.count)
        attentionScores(
            query: query, heads: heads, width: width, keys: keys, range: range, output: scratch,
            stride: range.count)
        for h in 0..<heads {
            (sums + h).initialize(
                to: softmaxWeights(scratch + h * range.count, scale: scale, count: range.count))
        }
        attentionSums(
            block: block, 0..<latentWidth, weights: scratch, stride: range.count, heads: heads,
            latentWidth: latentWidth, keys: keys, output: output)
    }

    /// Which of `count` gathered rows are those of `block`.
    /// - Precondition: `block` is below `attentionBlocks(count)`.
    public static func attentionKeys(_ block: Int, of count: Int) -> Range<Int> {
        block * attentionBlock..<min(count, (block + 1) * attentionBlock)
    }

    /// Merges a block's values and sums into those of the blocks before it, for some of the heads.
    public func attentionMerge(
        _ values: UnsafePointer<Float>, _ sums: UnsafePointer<SoftmaxSum>, heads: Range<Int>,
        latentWidth: Int, into output: UnsafeMutablePointer<Float>, _ all: UnsafeMutablePointer<SoftmaxSum>
    ) {
        for h in heads {
            softmaxMerge(
                values + h * latentWidth, sums[h], count: latentWidth, into: output + h * latentWidth, &all[h]
            )
        }
    }

    /// Divides the values by the sums of their weights, for some of the heads.
    public func attentionEnd(
        _ output: UnsafeMutablePointer<Float>, _ all: UnsafePointer<SoftmaxSum>, heads: Range<Int>,
        latentWidth: Int
    ) {
        for h in heads {
            let values = output + h * latentWidth
            scaleRow(values, 1 / all[h].sum, latentWidth, values)
        }
    }

    /// The first step of a block for some of the gathered rows: output[h, j − first] = q_h · key_j for j in `range`.
    ///
    /// - Parameters:
    ///   - output: the place of the first of `range`.
    ///   - stride: floats from one head to the next.
    public func attentionScores(
        query: UnsafePointer<Float>, heads: Int, width: Int, keys: KeyRows, range: Range<Int>,
        output: UnsafeMutablePointer<Float>, stride: Int
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= keys.count && width <= keys.width,
            "rows \(range) of \(keys.count)")
        let tail = width % 16, groups = width / 16
        withTemporaryLines(bytes: (4 + heads) * 64) { buffer in
            let tails = buffer.assumingMemoryBound(to: Float.self)
            if tail > 0 { packTokens(query + groups * 16, width, heads, tail, tails + 64, heads * 16) }
            for row in range.prefix(rowsAhead) { keys.prefetch(row, width: width) }
            for start in Swift.stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                var job = keys.tile(start..<min(start + 4, range.upperBound))
                job.groups = groups
                job.query_stride = width
                job.y_stride = stride
                if tail > 0 {
                    packTails(job, groups * 16, tail, tails)
                    job.row_tails = UnsafePointer(tails)
                }
                let later = min(start + rowsAhead, range.upperBound)..<range.upperBound
                if !later.isEmpty { keys.ask(&job, later) }
                forEachHeadTile(heads) { first, tileHeads in
                    // Every tile asks for its share of the four rows that come later.
                    let share = attentionLinesAsked(first, tileHeads, of: heads)
                    job.asked = later.isEmpty ? 0 : share.count
                    job.asked_before = share.lowerBound * groups
                    job.query = query + first * width
                    if tail > 0 { job.query_tails = UnsafePointer(tails + 64 + first * 16) }
                    job.y = output + first * stride + (start - range.lowerBound)
                    runRowTile(&job, heads: tileHeads)
                }
            }
        }
    }

    /// The last step of a block for some columns of the values: output[h, c] = Σ_j weights[h, j − first] · key_j[c], j
    /// ascending, for the keys j of `block` and c in `columns`.
    ///
    /// - Parameters:
    ///   - weights: the place of the block's first key.
    ///   - stride: floats from one head to the next.
    ///   - output: `[heads, latentWidth]`.
    /// - Precondition: `columns` begins with a whole 64, and ends with one or with the last.
    public func attentionSums(
        block: Int, _ columns: Range<Int>, weights: UnsafePointer<Float>, stride: Int, heads: Int,
        latentWidth: Int, keys: KeyRows, output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            columns.lowerBound % tileColumns == 0
                && (columns.upperBound % tileColumns == 0 || columns.upperBound == latentWidth),
            "columns \(columns) of \(latentWidth)")
        let range = Kernels.attentionKeys(block, of: keys.count)
        withTemporaryMemory(of: UnsafePointer<Float>.self, count: 2 * panelKeys) { addresses in
            guard var rows = addresses.baseAddress else { return }
            var others = rows + panelKeys
            keys.find(range.prefix(panelKeys), count: min(panelKeys, range.count), at: rows)
            for start in Swift.stride(from: range.lowerBound, to: range.upperBound, by: panelKeys) {
                let end = min(start + panelKeys, range.upperBound)
                // As many to be asked for as are read, where there are any.
                let later = range.suffix(from: end).prefix(panelKeys)
                if !later.isEmpty { keys.find(later, count: panelKeys, at: others) }
                let panel = KeyPanel(
                    count: end - start, rows: UnsafePointer(rows),
                    next: later.isEmpty ? nil : UnsafePointer(others),
                    weights: weights + (start - range.lowerBound), stride: stride)
                weightedSum(
                    panel, heads: heads, columns, latentWidth: latentWidth,
                    isFirst: start == range.lowerBound, output: output)
                swap(&rows, &others)
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

    /// Heads in tiles, as even as can be.
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
        _ panel: KeyPanel, heads: Int, _ columns: Range<Int>, latentWidth: Int, isFirst: Bool,
        output: UnsafeMutablePointer<Float>
    ) {
        let whole = columns.upperBound / tileColumns * tileColumns
        for column in stride(from: columns.lowerBound, to: whole, by: tileColumns) {
            // The next columns, or the first of the next keys.
            let isLast = column + tileColumns >= whole
            let next = isLast ? panel.next : panel.rows
            forEachHeadTile(heads) { first, tileHeads in
                let share = attentionLinesAsked(first, tileHeads, of: heads)
                var job = value_tile(
                    rows: panel.rows, column: column, count: panel.count,
                    x: panel.weights + first * panel.stride, x_stride: panel.stride,
                    y: output + first * latentWidth + column, y_stride: latentWidth,
                    first: isFirst ? 1 : 0, next: next ?? panel.rows,
                    next_column: isLast ? columns.lowerBound : column + tileColumns,
                    asked: next == nil ? 0 : share.count, asked_before: share.lowerBound)
                runValueTile(&job, heads: tileHeads)
            }
        }
        if whole < columns.upperBound {
            sumEdge(panel, heads: heads, whole..<latentWidth, isFirst: isFirst, output: output)
        }
    }

    /// The last columns, fewer than a tile: through buffers, so that nothing beyond them is touched.
    private func sumEdge(
        _ keys: KeyPanel, heads: Int, _ columns: Range<Int>, isFirst: Bool,
        output: UnsafeMutablePointer<Float>
    ) {
        let width = columns.upperBound, part = columns.count, count = keys.count
        withTemporaryLines(bytes: (panelKeys + heads) * tileColumns * 4) {
            let panel = $0.assumingMemoryBound(to: Float.self)
            panel.update(repeating: 0, count: (count + heads) * tileColumns)
            for j in 0..<count {
                packTokens(keys.rows[j] + columns.lowerBound, 0, 1, part, panel + j * tileColumns, 16)
            }
            let edge = panel + count * tileColumns
            for h in 0..<heads {
                (edge + h * tileColumns).update(from: output + h * width + columns.lowerBound, count: part)
            }
            var job = transposed_tile(
                panel: panel, x: keys.weights, x_stride: keys.stride, rows: count, tokens: heads, y: edge,
                y_stride: tileColumns, first: isFirst ? 1 : 0)
            runTransposedTiles(&job)
            for h in 0..<heads {
                (output + h * width + columns.lowerBound).update(from: edge + h * tileColumns, count: part)
            }
        }
    }
}

/// Some gathered rows: where they lie, and what each head weighs them with.
private struct KeyPanel {
    let count: Int
    let rows: UnsafePointer<UnsafePointer<Float>>
    /// As many that are read behind them; nil for the last.
    let next: UnsafePointer<UnsafePointer<Float>>?
    /// Row stride `stride`.
    let weights: UnsafePointer<Float>
    let stride: Int
}

extension KeyRows {
    /// Up to four rows; the last one again where fewer are left.
    fileprivate func tile(_ range: Range<Int>) -> row_tile {
        let first = range.lowerBound, last = range.upperBound - 1
        let a = row(first)
        return row_tile(
            a: a, b: row(min(first + 1, last)), c: row(min(first + 2, last)), d: row(min(first + 3, last)),
            query: a, query_stride: 0, groups: 0, row_tails: nil, query_tails: nil,
            y: UnsafeMutablePointer(mutating: a), y_stride: 0, rows: range.count, next_a: a, next_b: a,
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

    /// Writes where `count` rows from the first of `range` on lie; the last one again where fewer are left.
    fileprivate func find(
        _ range: Range<Int>, count: Int, at addresses: UnsafeMutablePointer<UnsafePointer<Float>>
    ) {
        for index in 0..<count {
            (addresses + index).initialize(to: row(min(range.lowerBound + index, range.upperBound - 1)))
        }
    }

    /// Asks for a row at once.
    fileprivate func prefetch(_ index: Int, width: Int) {
        let row = UnsafeRawPointer(self.row(index))
        for line in stride(from: 0, to: width * 4, by: 64) { CVector.prefetch(row + line) }
    }
}
