import CVector

/// Keys that are scored, or summed, together: their rows stay in the second-level cache while all heads pass.
private let blockKeys = 64
/// Columns of a panel of values.
private let panelColumns = 64

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
        dots(query: query, heads: heads, width: width, keys: keys, range: 0..<keys.count, output: scratch)
        for h in 0..<heads { softmax(scratch + h * keys.count, scale: scale, count: keys.count) }
        weightedSum(scratch, heads: heads, latentWidth: latentWidth, keys: keys, output: output)
    }

    /// output[h, j] = q_h · key_j for j in `range`, row stride `keys.count`.
    private func dots(
        query: UnsafePointer<Float>, heads: Int, width: Int, keys: KeyRows, range: Range<Int>,
        output: UnsafeMutablePointer<Float>
    ) {
        withPacked(query: query, heads: heads, width: width) { packed, panel in
            for start in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                let end = min(range.upperBound, start + 4)
                prefetchRows(keys, end..<min(range.upperBound, end + 4), width: width)
                fillPanel(keys, start..<end, width: width, panel)
                var job = packed
                job.y = output + start
                job.y_stride = keys.count
                job.rows = end - start
                runTiles(&job)
            }
        }
    }

    /// Rows that are gathered from anywhere are asked for before they are needed.
    private func prefetchRows(_ keys: KeyRows, _ range: Range<Int>, width: Int) {
        for index in range {
            let row = UnsafeRawPointer(keys.row(index))
            for line in stride(from: 0, to: width * 4, by: 64) { prefetch(row + line) }
        }
    }

    /// Packs all query heads as the tokens of one tile job whose panel holds four keys.
    func withPacked(
        query: UnsafePointer<Float>, heads: Int, width: Int,
        _ body: (tile_product, UnsafeMutablePointer<Float>) -> Void
    ) {
        let groups = max(1, (width + 15) / 16)
        let floats = groups * 16 * (heads + 4)
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let panel = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let packed = panel + groups * 64
            if width == 0 { panel.update(repeating: 0, count: floats) }
            let tiles = (heads + tileWidth - 1) / tileWidth
            var start = 0
            for tile in 0..<tiles {
                let count = tileTokens(heads, tiles, tile)
                packTokens(
                    query + start * width, width, count, width, packed + start * groups * 16, count * 16)
                start += count
            }
            body(
                tile_product(
                    panel: panel, x: packed, groups: groups, block_groups: groups, start_group: 0,
                    tokens: heads, tiles: tiles, sums: panel, y: panel, y_stride: 0, rows: 4, first: 1,
                    last: 1), panel)
        }
    }

    /// Up to four keys side by side; the last one again where fewer are left.
    func fillPanel(_ keys: KeyRows, _ range: Range<Int>, width: Int, _ panel: UnsafeMutablePointer<Float>) {
        for index in 0..<4 {
            packTokens(
                keys.row(min(range.lowerBound + index, range.upperBound - 1)), 0, 1, width,
                panel + index * 16, 64)
        }
    }

    /// output[h, c] = Σ_j weights[h, j] · key_j[c], j ascending.
    private func weightedSum(
        _ weights: UnsafePointer<Float>, heads: Int, latentWidth: Int, keys: KeyRows,
        output: UnsafeMutablePointer<Float>
    ) {
        let floats = (blockKeys + heads) * panelColumns
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let panel = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let edge = panel + blockKeys * panelColumns
            for start in stride(from: 0, to: keys.count, by: blockKeys) {
                for column in stride(from: 0, to: latentWidth, by: panelColumns) {
                    let count = min(panelColumns, latentWidth - column)
                    let whole = count == panelColumns
                    let block = start..<min(keys.count, start + blockKeys)
                    fillValues(keys, block, column, count, panel)
                    var job = transposed_tile(
                        panel: panel, x: weights + start, x_stride: keys.count, rows: block.count,
                        tokens: heads, y: output + column, y_stride: latentWidth, first: start == 0 ? 1 : 0)
                    if whole {
                        runTransposedTiles(&job)
                    } else {
                        job.y = edge
                        job.y_stride = panelColumns
                        runAtEdge(&job, columns: count, output + column, latentWidth)
                    }
                }
            }
        }
    }

    /// The last columns, fewer than a panel: through a buffer, so that nothing beyond them is touched.
    private func runAtEdge(
        _ job: inout transposed_tile, columns: Int, _ output: UnsafeMutablePointer<Float>, _ stride: Int
    ) {
        for t in 0..<job.tokens {
            (job.y + t * panelColumns).update(from: output + t * stride, count: columns)
        }
        runTransposedTiles(&job)
        for t in 0..<job.tokens {
            (output + t * stride).update(from: job.y + t * panelColumns, count: columns)
        }
    }

    private func fillValues(
        _ keys: KeyRows, _ range: Range<Int>, _ column: Int, _ count: Int,
        _ panel: UnsafeMutablePointer<Float>
    ) {
        for j in range {
            packTokens(keys.row(j) + column, 0, 1, count, panel + (j - range.lowerBound) * panelColumns, 16)
        }
    }
}
