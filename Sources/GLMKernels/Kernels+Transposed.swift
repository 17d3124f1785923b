import CVector

/// Columns of one panel.
private let panelColumns = 64
/// Rows decoded at a time: 32 KB of panel.
private let panelRows = 128

extension Kernels {
    /// y[t, c] = Σ_r x[t, r] · w[r, c] for c in `columns` and all tokens, r ascending; goes to `y[t * yStride
    /// + c]`.
    ///
    /// - Precondition: `columns` lies in the matrix; x is `[tokens, w.rows]` with row stride `xStride`.
    public func transposedProduct(
        _ w: WeightView, columns: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        precondition(
            columns.lowerBound >= 0 && columns.upperBound <= w.columns, "columns \(columns) of \(w.columns)")
        if columns.isEmpty || tokens <= 0 { return }
        let part = w.columns(columns)
        if tokens == 1 && (part.scales?.hasWholeGroups ?? true) {
            return transposedVector(part, x: x, y: y + columns.lowerBound)
        }
        let floats = panelRows * panelColumns + tokens * panelColumns
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let panel = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let edge = panel + panelRows * panelColumns
            for start in stride(from: 0, to: part.columns, by: panelColumns) {
                let block = start..<min(part.columns, start + panelColumns)
                let target = y + columns.lowerBound + start
                let whole = block.count == panelColumns
                var job = transposed_tile(
                    panel: panel, x: x, x_stride: xStride, rows: 0, tokens: tokens, y: whole ? target : edge,
                    y_stride: whole ? yStride : panelColumns, first: 1)
                transposedPanels(part, block, &job, panel)
                if whole { continue }
                for t in 0..<tokens {
                    (target + t * yStride).update(from: edge + t * panelColumns, count: block.count)
                }
            }
        }
    }

    /// All rows of one block of columns, panel by panel.
    private func transposedPanels(
        _ w: WeightView, _ columns: Range<Int>, _ job: inout transposed_tile,
        _ panel: UnsafeMutablePointer<Float>
    ) {
        if columns.count < panelColumns || w.rows == 0 {
            panel.update(repeating: 0, count: panelRows * panelColumns)
        }
        let x = job.x
        var start = 0
        repeat {
            let count = min(panelRows, w.rows - start)
            for r in 0..<count {
                decode(w, row: start + r, columns: columns, into: panel + r * panelColumns, stride: 16)
            }
            job.x = x + start
            job.rows = count
            job.first = start == 0 ? 1 : 0
            runTransposedTiles(&job)
            start += panelRows
        } while start < w.rows
    }

    /// One token: y is cleared, then the rows stream by in fours; FP8 rows go in stretches that share their
    /// scales.
    private func transposedVector(_ w: WeightView, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        y.update(repeating: 0, count: w.columns)
        let rowBytes = w.rowStride * w.format.size
        var start = 0
        while start < w.rows {
            let end = min(w.rows, start + (w.scales?.rowsWithOneScale(from: start) ?? w.rows))
            var job = vector_product(
                weights: w.base + start * rowBytes, row_bytes: rowBytes, rows: end - start,
                columns: w.columns, scales: nil, block: 1, phase: 0, x: x + start, y: y)
            w.scales?.fill(&job, row: start, column: 0)
            transposedVector(w.format, &job)
            start = end
        }
    }
}
