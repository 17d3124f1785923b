import CVector

/// Columns of one panel.
private let panelColumns = 64
/// Up to so many tokens the rows stream by, once for each four of them; more are worth a panel.
private let streamedTokens = 8
/// Rows decoded at a time: 32 KB of panel.
private let panelRows = 128

extension Kernels {
    /// y[t, c] = Σ_r x[t, r] · w[r, c] for c in `columns` and all tokens, r ascending; goes to `y[t * yStride
    /// + c]`.
    ///
    /// - Parameter next: weights that the thread will probably read then.
    /// - Precondition: `columns` lies in the matrix; x is `[tokens, w.rows]` with row stride `xStride`.
    public func transposedProduct(
        _ w: WeightView, columns: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int, next: UnsafeRawPointer? = nil
    ) {
        precondition(
            columns.lowerBound >= 0 && columns.upperBound <= w.columns, "columns \(columns) of \(w.columns)")
        if columns.isEmpty || tokens <= 0 { return }
        let part = w.columns(columns)
        if tokens <= streamedTokens && (part.scales?.hasWholeGroups ?? true) {
            for first in stride(from: 0, to: tokens, by: 4) {
                streamedRows(
                    part, x: x + first * xStride, tokens: min(4, tokens - first), xStride: xStride,
                    y: y + first * yStride + columns.lowerBound, yStride: yStride,
                    next: first + 4 < tokens ? part.base : next)
            }
            return
        }
        let floats = panelRows * panelColumns + tokens * (panelColumns + panelRows)
        withTemporaryLines(bytes: floats * 4) { buffer in
            let panel = buffer.assumingMemoryBound(to: Float.self)
            let edge = panel + panelRows * panelColumns
            var start = 0
            while start < part.columns {
                let end = min(part.columns, start + panelColumns, part.scales?.blockEnd(start) ?? .max)
                let target = y + columns.lowerBound + start
                let whole = end - start == panelColumns
                var job = transposed_tile(
                    panel: panel, x: x, x_stride: xStride, rows: 0, tokens: tokens, y: whole ? target : edge,
                    y_stride: whole ? yStride : panelColumns, first: 1)
                transposedPanels(part, start..<end, &job, panel, scaled: edge + tokens * panelColumns)
                for t in 0..<tokens where !whole {
                    (target + t * yStride).update(from: edge + t * panelColumns, count: end - start)
                }
                for t in 0..<tokens where part.scales != nil {
                    scaleRow(target + t * yStride, CodeOrder.rest, end - start, target + t * yStride)
                }
                start = end
            }
        }
    }

    /// All rows of one block of columns, panel by panel. FP8 rows of a panel share their scale, which enters
    /// the tokens, copied to `scaled`.
    private func transposedPanels(
        _ w: WeightView, _ columns: Range<Int>, _ job: inout transposed_tile,
        _ panel: UnsafeMutablePointer<Float>, scaled: UnsafeMutablePointer<Float>
    ) {
        if columns.count < panelColumns || w.rows == 0 {
            panel.update(repeating: 0, count: panelRows * panelColumns)
        }
        let x = job.x, stride = job.x_stride
        var start = 0
        repeat {
            let count = min(panelRows, w.rows - start, w.scales?.rowsWithOneScale(from: start) ?? .max)
            let normal =
                w.scales?.areAtLeast(CodeOrder.leastNormalScale, row: start, columns: w.columns) ?? false
            // What decodes multiplies by a scale and by 2¹²⁰.
            var factor = CodeOrder.normalFactor * 0x1p-120
            for r in 0..<count {
                let row = start + r, to = panel + r * panelColumns
                let source = w.base + (row * w.rowStride + columns.lowerBound) * w.format.size
                if normal {
                    decode(w.format, source, columns.count, &factor, panelColumns, 0, to, 16)
                } else {
                    decode(w.format, source, columns.count, nil, 1, 0, to, 16)
                }
            }
            job.x = x + start
            if let scales = w.scales {
                let scale =
                    scales.scale(start, columns.lowerBound) * (normal ? CodeOrder.normalLift : CodeOrder.lift)
                for t in 0..<job.tokens {
                    scaleRow(x + t * stride + start, scale, count, scaled + t * panelRows)
                }
                job.x = UnsafePointer(scaled)
                job.x_stride = panelRows
            }
            job.rows = count
            job.first = start == 0 ? 1 : 0
            runTransposedTiles(&job)
            start += count
        } while start < w.rows
    }

    /// One to four tokens: y is cleared, then the rows stream by in fours, or line by line; FP8 rows go in stretches that share
    /// their scales.
    private func streamedRows(
        _ w: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int, next: UnsafeRawPointer?
    ) {
        for t in 0..<tokens { (y + t * yStride).update(repeating: 0, count: w.columns) }
        let way = fetchWayOfSeveral(w.format)
        let rows = vector_product(
            weights: w.base, row_bytes: w.rowStride * w.format.size, rows: w.rows, columns: w.columns,
            scales: nil, block: 1, phase: 0, x: x, y: y, next: next, ahead: way.distance,
            cache: cache(way), ahead_of_four: 0)
        if let scales = w.scales, sumsLines(w, tokens: tokens) { return transposedLines(w, scales, rows) }
        var job = transposed_rows(rows: rows, x_stride: xStride, y_stride: yStride)
        guard let scales = w.scales else { return transposedRows(w.format, tokens, &job) }
        for part in scales.stretches(of: 0..<w.rows) {
            job.rows.weights = w.base + part.lowerBound * job.rows.row_bytes
            job.rows.rows = part.count
            job.rows.x = x + part.lowerBound
            job.rows.next = part.upperBound == w.rows ? next : nil
            scales.fill(&job.rows, row: part.lowerBound, column: 0)
            transposedRows(w.format, tokens, &job)
        }
        for t in 0..<tokens { scaleRow(y + t * yStride, CodeOrder.rest, w.columns, y + t * yStride) }
    }
}
