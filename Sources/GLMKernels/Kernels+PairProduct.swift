import CVector

/// Columns that are multiplied at a time; a multiple of 32.
private let stripColumns = 2048
/// Tiles that carry their sums from one strip to the next, and whose tokens stay in the second-level cache.
private let blockTiles = 8
/// Bytes of tokens that stay in the nearest cache while rows pass.
private let nearBytes = 24 << 10

extension Kernels {
    /// y[t, n] = BF16(Σ_k w[n, k] · x[t, k]) for n in `rows`, with weights and activations in BF16.
    ///
    /// FP8 weights are the BF16 rounding of code × multiplier. The order is stated at
    /// `NaiveKernels.pairProduct`.
    /// - Precondition: `rows` lies in the matrix, which is FP8, or BF16 at a level that adds pairs.
    func pairProduct(
        _ w: WeightView, rows: Range<Int>, _ tokens: BFloat16Tokens, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        precondition(w.isAddedInPairs(at: level), "\(w.format) at \(level)")
        precondition(tokens.columns == w.columns, "\(tokens.columns) columns of \(w.columns)")
        if tokens.tokens == 1 && pairRows(w, rows: rows, x: tokens.base, y: y) {
            return roundToBFloat16(y + rows.lowerBound, count: rows.count)
        }
        let plan = PairPlan(w, quads: (rows.count + 3) / 4, tokens)
        let floats = plan.panelBytes / 4 * plan.panels + stripColumns + plan.sums
        withTemporaryLines(bytes: floats * 4) { panel in
            let row = (panel + plan.panelBytes * plan.panels).assumingMemoryBound(to: Float.self)
            let strips = PairStrips(
                weight: w, tokens: tokens, plan: plan, panel: panel, row: row, sums: row + stripColumns, y: y,
                yStride: yStride)
            if tokens.tokens == 1 && w.format == .bfloat16 { return stream(strips, rows) }
            for first in stride(from: 0, to: tokens.tiles, by: plan.block) {
                let block = first..<min(tokens.tiles, first + plan.block)
                for start in stride(from: 0, to: tokens.groups, by: plan.groups) {
                    run(strips, rows, start..<min(tokens.groups, start + plan.groups), block)
                }
            }
        }
    }

    /// All rows by a block of tiles over one strip. A few tiles stay in the nearest cache while the rows pass;
    /// the rows come from memory for the first few and from the second-level cache for the others.
    private func run(_ strips: PairStrips, _ rows: Range<Int>, _ groups: Range<Int>, _ block: Range<Int>) {
        for first in stride(from: block.lowerBound, to: block.upperBound, by: strips.plan.near) {
            let tiles = first..<min(block.upperBound, first + strips.plan.near)
            var quad = 0
            for low in stride(from: rows.lowerBound, to: rows.upperBound, by: 4) {
                let four = low..<min(rows.upperBound, low + 4)
                run(strips, four, quad, groups, tiles, of: block)
                quad += 1
            }
        }
    }

    /// Four rows by some tiles over one strip.
    private func run(
        _ strips: PairStrips, _ rows: Range<Int>, _ quad: Int, _ groups: Range<Int>, _ tiles: Range<Int>,
        of block: Range<Int>
    ) {
        let tokens = strips.tokens, width = BFloat16Tokens.tileWidth * 64
        // Four whole rows of BF16 are read where they lie, and the first tile asks for the next four.
        let w = strips.weight
        let direct = w.format == .bfloat16 && rows.count == 4 && groups.upperBound * 32 <= w.columns
        let isFirst = tiles.lowerBound == block.lowerBound
        let panel = strips.panel(quad)
        if !direct && isFirst { fill(strips, rows, groups, panel) }
        for index in tiles {
            let tile = tokens.tile(index)
            var job = pair_tile(
                weights: direct
                    ? strips.address(rows.lowerBound, groups.lowerBound) : UnsafeRawPointer(panel),
                group_bytes: direct ? 64 : 256, row_bytes: direct ? w.rowStride * 2 : 64,
                ahead: direct && index == block.lowerBound ? w.rowStride * 8 : 0,
                x: tokens.address(tile, group: groups.lowerBound), groups: groups.count,
                sums: strips.sums + (quad * block.count + index - block.lowerBound) * width,
                y: strips.y + tile.lowerBound * strips.yStride + rows.lowerBound, y_stride: strips.yStride,
                rows: rows.count, first: groups.lowerBound == 0 ? 1 : 0,
                last: groups.upperBound == tokens.groups ? 1 : 0, rounded: 1)
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
                y_stride: strips.yStride, rows: count, first: 1, last: whole == tokens.groups ? 1 : 0,
                rounded: 1)
            if whole > 0 { runPairTile(&job, tokens: 1, dot: dot) }
            if whole < tokens.groups {
                fill(strips, row..<row + count, whole..<tokens.groups, strips.panel)
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
    private func fill(
        _ strips: PairStrips, _ rows: Range<Int>, _ groups: Range<Int>, _ panel: UnsafeMutableRawPointer
    ) {
        let w = strips.weight
        let columns = groups.lowerBound * 32..<min(w.columns, groups.upperBound * 32)
        for index in 0..<4 {
            let row = min(rows.lowerBound + index, rows.upperBound - 1)
            let to = panel + index * 64
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

extension WeightView {
    /// Whether products of `bfloat16` add these weights in pairs at `level`, matrix registers apart.
    func isAddedInPairs(at level: InstructionSet) -> Bool {
        format == .float8E4M3 || (format == .bfloat16 && level.addsPairs)
    }
}

/// How the work of one call is cut.
private struct PairPlan {
    /// Groups of 32 columns in a strip.
    let groups: Int
    /// Tiles of a block, and those of them that pass together.
    let block: Int
    let near: Int
    /// Rows that cannot be read where they lie are copied into panels: one of four rows where it is used up at
    /// once, else one for every four.
    let panels: Int
    let panelBytes: Int
    /// Floats of the sums that go from strip to strip.
    let sums: Int

    init(_ w: WeightView, quads: Int, _ tokens: BFloat16Tokens) {
        groups = min(stripColumns / 32, tokens.groups)
        let hasOneStrip = groups == tokens.groups
        block = hasOneStrip ? max(1, tokens.tiles) : blockTiles
        let fitting = nearBytes / (groups * BFloat16Tokens.tileWidth * 64)
        // Where not even two tiles fit, four rows stay near instead, and the tokens pass.
        near = min(block, fitting >= 2 ? fitting : blockTiles)
        let isRead = w.format == .bfloat16 && w.columns % 32 == 0
        panels = isRead || near >= min(block, tokens.tiles) ? 1 : quads
        panelBytes = groups * 256
        // One tile's for a single token, which may leave a short group for later.
        let tiles = hasOneStrip ? 1 : quads * min(block, tokens.tiles)
        sums = tiles * BFloat16Tokens.tileWidth * 64
    }
}

/// What the strips of one call share.
private struct PairStrips {
    let weight: WeightView
    let tokens: BFloat16Tokens
    let plan: PairPlan
    let panel: UnsafeMutableRawPointer
    /// One decoded row of a strip.
    let row: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>
    let yStride: Int

    /// Where the copies of four rows are kept.
    func panel(_ quad: Int) -> UnsafeMutableRawPointer {
        panel + (plan.panels == 1 ? 0 : quad * plan.panelBytes)
    }

    /// First code of group `group` of a row.
    func address(_ row: Int, _ group: Int) -> UnsafeRawPointer {
        weight.base + (row * weight.rowStride + group * 32) * 2
    }
}
