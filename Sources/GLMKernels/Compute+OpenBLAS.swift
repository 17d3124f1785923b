extension Compute {
    /// All groups in one parallel region; those of one token still by the own loops.
    func product(_ groups: [ProductGroup], by blas: OpenBLAS) {
        cut(groups, extent: { $0.rows }, unit: { _ in 4 }) { index, rows, _, _ in
            let group = groups[index]
            guard group.tokens == 1 else { return product(group, rows: rows, by: blas) }
            kernels.product(
                group.weight, rows: rows, x: group.x, tokens: 1, xStride: group.xStride, y: group.y,
                yStride: group.yStride)
        }
    }

    /// Floats of weights that one call of OpenBLAS takes, dequantised beforehand.
    private static let panelFloats = 1 << 18

    /// Some rows of one product through OpenBLAS, with the dequantisation it needs.
    private func product(_ group: ProductGroup, rows: Range<Int>, by blas: OpenBLAS) {
        let weight = group.weight
        let padded = (weight.columns + 15) / 16 * 16
        let height = min(rows.count, max(1, Compute.panelFloats / max(padded, 1)))
        let panel = UnsafeMutablePointer<Float>.allocate(capacity: height * padded)
        defer { panel.deallocate() }
        var first = rows.lowerBound
        while first < rows.upperBound {
            let count = min(height, rows.upperBound - first)
            for row in 0..<count {
                kernels.decode(
                    weight, row: first + row, columns: 0..<weight.columns, into: panel + row * padded,
                    stride: 16)
            }
            blas.product(
                x: group.x, tokens: group.tokens, xStride: group.xStride, w: panel, rows: count,
                columns: weight.columns, wStride: padded, y: group.y + first, yStride: group.yStride)
            first += count
        }
    }
}
