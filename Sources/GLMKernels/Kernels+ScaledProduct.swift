import CVector

/// Columns decoded into the nearest cache at a time, at most one block more.
private let stripColumns = 1024
/// Tiles whose codes stay in the second-level cache while rows pass.
private let blockTiles = 16

extension BlockScales {
    /// Whether activations can be grouped as these columns are: whole blocks of a multiple of 16 columns,
    /// counted from the view's first.
    var quantizesActivations: Bool { blockColumns % 16 == 0 && columnOrigin % blockColumns == 0 }
}

extension Kernels {
    /// y[t, n] = Σ_b (Σ_{k∈b} x̂[t, k] · q[n, k]) · (s_a[t, b] · s_w[n, b]) for n in `rows`: codes by codes,
    /// each block of columns with its multipliers.
    ///
    /// The order is stated at `NaiveKernels.scaledProduct`.
    /// - Precondition: `rows` lies in the matrix, which has scales, and whose blocks are those of the tokens.
    func scaledProduct(
        _ w: WeightView, rows: Range<Int>, _ tokens: QuantizedTokens, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        precondition(tokens.columns == w.columns && tokens.block == w.scales?.blockColumns)
        if tokens.tokens == 1 && scaledRows(w, rows: rows, tokens, y: y) { return }
        let stripBlocks = max(1, stripColumns / tokens.block)
        let width = min(tokens.groups, stripBlocks * tokens.block / 16)
        let floats = width * 64 + stripBlocks * 4 + blockTiles * scaledTileWidth * 64
        withTemporaryLines(bytes: floats * 4) { buffer in
            let panel = buffer.assumingMemoryBound(to: Float.self)
            let sums = panel + width * 64
            let strips = ScaledStrips(
                weight: w, tokens: tokens, blocks: stripBlocks, panel: panel, sums: sums,
                scales: sums + blockTiles * scaledTileWidth * 64, y: y, yStride: yStride)
            for first in stride(from: 0, to: tokens.tiles, by: blockTiles) {
                let tiles = first..<min(tokens.tiles, first + blockTiles)
                for row in stride(from: rows.lowerBound, to: rows.upperBound, by: 4) {
                    run(strips, row..<min(rows.upperBound, row + 4), tiles)
                }
            }
        }
    }

    /// Four rows by some tiles, strip by strip.
    private func run(_ strips: ScaledStrips, _ rows: Range<Int>, _ tiles: Range<Int>) {
        let tokens = strips.tokens
        for start in stride(from: 0, to: tokens.blocks, by: strips.blocks) {
            let blocks = start..<min(tokens.blocks, start + strips.blocks)
            decodeCodes(strips, rows, blocks)
            let firstGroup = start * tokens.block / 16
            let groups = min(tokens.groups, blocks.upperBound * tokens.block / 16) - firstGroup
            for index in tiles {
                let tile = tokens.tile(index)
                var job = scaled_tile(
                    panel: strips.panel,
                    x: tokens.codes + (tile.lowerBound * tokens.groups + tile.count * firstGroup) * 16,
                    row_scales: strips.scales,
                    token_scales: tokens.scales + tile.lowerBound * tokens.blocks + tile.count * start,
                    groups: groups, block: tokens.block / 16,
                    sums: strips.sums + (index - tiles.lowerBound) * scaledTileWidth * 64,
                    y: strips.y + tile.lowerBound * strips.yStride + rows.lowerBound,
                    y_stride: strips.yStride, rows: rows.count, first: start == 0 ? 1 : 0,
                    last: blocks.upperBound == tokens.blocks ? 1 : 0)
                runScaledTile(&job, tokens: tile.count)
            }
        }
    }

    /// The codes of up to four rows side by side, the last again where fewer are left, and their multipliers.
    private func decodeCodes(_ strips: ScaledStrips, _ rows: Range<Int>, _ blocks: Range<Int>) {
        let w = strips.weight, width = strips.tokens.block
        let columns = blocks.lowerBound * width..<min(w.columns, blocks.upperBound * width)
        for index in 0..<4 {
            let row = min(rows.lowerBound + index, rows.upperBound - 1)
            // One block over the whole row whose multiplier is 1: the codes' own values.
            withUnsafeBytes(of: Float(1)) { one in
                decode(
                    .float8E4M3, w.base + (row * w.rowStride + columns.lowerBound), columns.count,
                    one.baseAddress, w.columns + 16, 0, strips.panel + index * 16, 64)
            }
            for block in blocks {
                strips.scales[(block - blocks.lowerBound) * 4 + index] =
                    w.scales?.scale(row, block * width) ?? 1
            }
        }
    }
}

/// What the strips of one call share.
private struct ScaledStrips {
    let weight: WeightView
    let tokens: QuantizedTokens
    /// Blocks of columns of one strip.
    let blocks: Int
    let panel: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let scales: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>
    let yStride: Int
}
