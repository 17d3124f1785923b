import CVector

/// Bytes of weights between what is read and what is asked for, at least.
private let prefetchDistance = 16384

extension WeightView {
    /// Whether rows and stretches with one scale are whole lines of 64 bytes.
    var hasWholeLines: Bool {
        let line = 64 / format.size
        guard columns > 0, columns % line == 0 else { return false }
        guard let scales else { return true }
        return scales.blockColumns % line == 0 && scales.columnOrigin % line == 0
    }
}

extension Kernels {
    /// Whether a block of `tokens` meets the weights as they are stored. FP8 is decoded once for each tile of
    /// tokens then, so from the third tile on a panel costs less.
    func multipliesDirectly(_ w: WeightView, tokens: Int) -> Bool {
        tokens > 1 && w.hasWholeLines && (w.format != .float8E4M3 || tokens <= 8)
    }

    /// A block of tokens, tile by tile over four rows at a time; FP8 rows go in stretches that share their
    /// scales.
    func directProduct(
        _ w: WeightView, rows: Range<Int>, _ packed: PackedTokens, _ block: Range<Int>,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        let tiles = (block.count + tileWidth - 1) / tileWidth
        let rowBytes = w.rowStride * w.format.size
        // Whole fours of rows, so that the second pass can ask for what the first has left out.
        let ahead = (prefetchDistance / (4 * rowBytes) + 1) * 4 * rowBytes
        var job = direct_tile(
            weights: w.base, row_bytes: rowBytes, rows: 0, columns: w.columns, scales: nil, block: 1,
            phase: 0,
            x: packed.base, x_stride: 0, y: y, y_stride: yStride, ahead: w.base, lines: tiles == 1 ? 4 : 2)
        var start = rows.lowerBound
        while start < rows.upperBound {
            var end = rows.upperBound
            if let scales = w.scales {
                end = min(end, start + scales.rowsWithOneScale(from: start))
                job.scales = scales.address(row: start, column: 0)
                job.block = scales.blockColumns
                job.phase = scales.columnOrigin % scales.blockColumns
            }
            if tiles > 1 { end = min(end, start + 4) }
            job.rows = end - start
            job.weights = w.base + start * rowBytes
            var token = 0
            for tile in 0..<tiles {
                let count = tileTokens(block.count, tiles, tile)
                job.x = UnsafePointer(packed.address(token: block.lowerBound + token))
                job.x_stride = count * 16
                job.y = y + (token * yStride + start)
                job.ahead = tile < 2 ? job.weights + (ahead + tile * 2 * rowBytes) : job.weights
                runDirect(w.format, &job, tokens: count)
                token += count
            }
            start = end
        }
    }
}
