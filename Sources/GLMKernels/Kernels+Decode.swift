import CVector

extension BlockScales {
    /// Whether no group of 16 columns, counted from the view's first, lies across the border of two blocks.
    var hasWholeGroups: Bool { blockColumns % 16 == 0 && columnOrigin % 16 == 0 }

    /// The same of lines of 64 columns.
    var hasWholeLines: Bool { blockColumns % 64 == 0 && columnOrigin % 64 == 0 }

    /// The column after the block that holds `column`.
    func blockEnd(_ column: Int) -> Int {
        column + blockColumns - (columnOrigin + column) % blockColumns
    }

    /// `rows` in stretches that share their scales.
    func stretches(of rows: Range<Int>) -> some Sequence<Range<Int>> {
        sequence(state: rows.lowerBound) { start -> Range<Int>? in
            if start >= rows.upperBound { return nil }
            let end = min(rows.upperBound, start + rowsWithOneScale(from: start))
            defer { start = end }
            return start..<end
        }
    }

    /// Rows from `row` on that share the scales of `row`.
    func rowsWithOneScale(from row: Int) -> Int { blockRows - (rowOrigin + row) % blockRows }

    /// First scale of `row` at or before `column`.
    func address(row: Int, column: Int) -> UnsafeRawPointer {
        base + ((rowOrigin + row) / blockRows * stride + (columnOrigin + column) / blockColumns) * 4
    }

    /// Fills in the scales for a job that starts at (`row`, `column`).
    func fill(_ job: inout vector_product, row: Int, column: Int) {
        job.scales = address(row: row, column: column)
        job.block = blockColumns
        job.phase = (columnOrigin + column) % blockColumns
    }
}

extension Kernels {
    /// The exact values of `columns` of one row, in groups of 16 that lie `stride` floats apart (16 means
    /// contiguous); the last group is filled with zeros.
    ///
    /// - Precondition: `panel` has room for all groups. No columns write nothing.
    public func decode(
        _ w: WeightView, row: Int, columns: Range<Int>, into panel: UnsafeMutablePointer<Float>, stride: Int
    ) {
        precondition(row >= 0 && row < w.rows && columns.lowerBound >= 0 && columns.upperBound <= w.columns)
        if columns.isEmpty { return }
        let source = w.base + (row * w.rowStride + columns.lowerBound) * w.format.size
        guard let scales = w.scales else {
            return decode(w.format, source, columns.count, nil, 1, 0, panel, stride)
        }
        let first = scales.columnOrigin + columns.lowerBound
        if scales.blockColumns % 16 == 0 && first % 16 == 0 {
            let address = scales.address(row: row, column: columns.lowerBound)
            decode(
                w.format, source, columns.count, address, scales.blockColumns, first % scales.blockColumns,
                panel, stride)
        } else {
            // Blocks end inside a group: element by element, with the same one multiplication.
            (panel + (columns.count - 1) / 16 * stride).update(repeating: 0, count: 16)
            for k in 0..<columns.count {
                let value = Float8E4M3.decodeFinite(source.load(fromByteOffset: k, as: UInt8.self))
                panel[k / 16 * stride + k % 16] = value * scales.scale(row, columns.lowerBound + k)
            }
        }
    }
}
