import CVector

/// Columns of four rows that lie in the nearest cache at a time; a multiple of 32.
private let stripColumns = 2048
/// Tiles whose tokens stay in the second-level cache while rows pass.
private let blockTiles = 8

extension Kernels {
    /// y[t, n] = Σ_k w[n, k] · x[t, k] for n in `rows`, with weights and activations in BF16.
    ///
    /// FP8 weights are the BF16 rounding of code × multiplier. The order is stated at
    /// `NaiveKernels.pairProduct`.
    /// - Precondition: `rows` lies in the matrix, which is BF16 or FP8.
    func pairProduct(
        _ w: WeightView, rows: Range<Int>, _ tokens: BFloat16Tokens, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        precondition(w.format != .float32 && tokens.columns == w.columns)
        if tokens.tokens == 1 && pairRows(w, rows: rows, x: tokens.base, y: y) { return }
        let quads = (rows.count + 3) / 4
        let panelFloats = 4 * stripColumns / 2
        let sumFloats = quads * min(blockTiles, tokens.tiles) * BFloat16Tokens.tileWidth * 64
        let floats = panelFloats + stripColumns + sumFloats
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let panel = buffer.baseAddress else { return }
            let row = (panel + panelFloats * 4).assumingMemoryBound(to: Float.self)
            let strips = PairStrips(
                weight: w, tokens: tokens, panel: panel, row: row, sums: row + stripColumns, y: y,
                yStride: yStride)
            if tokens.tokens == 1 && w.format == .bfloat16 { return stream(strips, rows) }
            for first in stride(from: 0, to: tokens.tiles, by: blockTiles) {
                let tiles = first..<min(tokens.tiles, first + blockTiles)
                for start in stride(from: 0, to: tokens.groups, by: stripColumns / 32) {
                    let groups = start..<min(tokens.groups, start + stripColumns / 32)
                    for quad in 0..<quads {
                        let low = rows.lowerBound + quad * 4
                        run(strips, low..<min(rows.upperBound, low + 4), quad, groups, tiles)
                    }
                }
            }
        }
    }

    /// Four rows by some tiles over one strip.
    private func run(
        _ strips: PairStrips, _ rows: Range<Int>, _ quad: Int, _ groups: Range<Int>, _ tiles: Range<Int>
    ) {
        let tokens = strips.tokens, width = BFloat16Tokens.tileWidth * 64
        // Four whole rows of BF16 are read where they lie; the strip stays in the nearest cache for all tiles,
        // and the first of them asks for the next four rows.
        let w = strips.weight
        let direct =
            w.format == .bfloat16 && rows.count == 4 && groups.upperBound * 32 <= w.columns
        if !direct { fill(strips, rows, groups) }
        let weights =
            direct ? strips.address(rows.lowerBound, groups.lowerBound) : UnsafeRawPointer(strips.panel)
        for index in tiles {
            let tile = tokens.tile(index)
            var job = pair_tile(
                weights: weights, group_bytes: direct ? 64 : 256, row_bytes: direct ? w.rowStride * 2 : 64,
                ahead: direct && index == tiles.lowerBound ? w.rowStride * 8 : 0,
                x: tokens.address(tile, group: groups.lowerBound), groups: groups.count,
                sums: strips.sums + (quad * tiles.count + index - tiles.lowerBound) * width,
                y: strips.y + tile.lowerBound * strips.yStride + rows.lowerBound, y_stride: strips.yStride,
                rows: rows.count, first: groups.lowerBound == 0 ? 1 : 0,
                last: groups.upperBound == tokens.groups ? 1 : 0)
            runPairTile(&job, tokens: tile.count, dot: hasBFloat16Products)
        }
    }

    /// One token: rows of BF16 are read where they lie, once; only a last short group goes through the panel.
    private func stream(_ strips: PairStrips, _ rows: Range<Int>) {
        let w = strips.weight, tokens = strips.tokens
        let whole = w.columns / 32, dot = hasBFloat16Products
        // Short rows end before a prefetch within them would help: the next four rows instead.
        let ahead = w.rowStride * 2 > 8192 ? 4096 : w.rowStride * 8
        var row = rows.lowerBound
        while row < rows.upperBound {
            // Fewer than four rows: one of them, four times.
            let count = rows.upperBound - row < 4 ? 1 : 4
            var job = pair_tile(
                weights: strips.address(row, 0), group_bytes: 64, row_bytes: count == 1 ? 0 : w.rowStride * 2,
                ahead: ahead, x: tokens.base, groups: whole, sums: strips.sums, y: strips.y + row,
                y_stride: strips.yStride, rows: count, first: 1, last: whole == tokens.groups ? 1 : 0)
            if whole > 0 { runPairTile(&job, tokens: 1, dot: dot) }
            if whole < tokens.groups {
                fill(strips, row..<row + count, whole..<tokens.groups)
                job.weights = UnsafeRawPointer(strips.panel)
                job.group_bytes = 256
                job.row_bytes = 64
                job.x = UnsafeRawPointer(tokens.base + whole * 64)
                job.groups = 1
                job.first = whole == 0 ? 1 : 0
                job.last = 1
                runPairTile(&job, tokens: 1, dot: dot)
            }
            row += count
        }
    }

    /// Four rows as [group][4][32], the last again where fewer are left.
    private func fill(_ strips: PairStrips, _ rows: Range<Int>, _ groups: Range<Int>) {
        let w = strips.weight
        let columns = groups.lowerBound * 32..<min(w.columns, groups.upperBound * 32)
        for index in 0..<4 {
            let row = min(rows.lowerBound + index, rows.upperBound - 1)
            let to = strips.panel + index * 64
            if w.format == .bfloat16 {
                copy(strips.address(row, groups.lowerBound), columns.count, to)
            } else {
                decode(w, row: row, columns: columns, into: strips.row, stride: 16)
                packBFloat16(
                    strips.row, stride: 0, tokens: 1, count: columns.count, packed: to, groupStride: 256)
            }
        }
    }

    /// `count` codes of a row in groups of 32, 256 bytes apart, the last filled with zeros.
    private func copy(_ codes: UnsafeRawPointer, _ count: Int, _ panel: UnsafeMutableRawPointer) {
        var from = codes, to = panel
        for _ in 0..<count / 32 {
            to.copyMemory(from: from, byteCount: 64)
            from += 64
            to += 256
        }
        let rest = count % 32
        if rest > 0 {
            to.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
            to.copyMemory(from: from, byteCount: rest * 2)
        }
    }
}

/// What the strips of one call share.
private struct PairStrips {
    let weight: WeightView
    let tokens: BFloat16Tokens
    let panel: UnsafeMutableRawPointer
    /// One decoded row of a strip.
    let row: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>
    let yStride: Int

    /// First code of group `group` of a row.
    func address(_ row: Int, _ group: Int) -> UnsafeRawPointer {
        weight.base + (row * weight.rowStride + group * 32) * 2
    }
}
