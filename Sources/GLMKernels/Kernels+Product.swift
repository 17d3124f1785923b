import CVector

/// Columns decoded into the nearest cache at a time; whole chunks of 64.
private let stripColumns = 1024
/// Tokens that a call of its own packs at a time.
private let blockLimit = 48
/// Floats of packed tokens that may lie in the second-level cache.
private let packedFloats = 98_304

extension Kernels {
    /// y[t, n] = Σ_k w[n, k] · x[t, k] for n in `rows` and all tokens; element (t, n) goes to `y[t * yStride
    /// + n]`.
    ///
    /// One token streams the weights by. More tokens are packed and run in tiles against weights as they are
    /// stored, or against strips of decoded ones (many tokens, see `multipliesDirectly`; rows that are not whole groups); a call
    /// takes up to some hundred kilobytes of scratch for that, so rows should come in dozens.
    /// - Parameter next: weights that the thread will probably read then.
    /// - Precondition: `rows` lies in the matrix; x is `[tokens, w.columns]` with row stride `xStride`.
    public func product(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int, scratch: Scratch = Scratch(),
        next: UnsafeRawPointer? = nil
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        if rows.isEmpty || tokens <= 0 { return }
        if w.columns == 0 {
            for t in 0..<tokens {
                (y + t * yStride + rows.lowerBound).update(repeating: 0, count: rows.count)
            }
            return
        }
        if tokens == 1 { return vectorProduct(w, rows: rows, x: x, y: y, scratch, next) }
        scratch.withFloats(PackedTokens.floats(tokens: min(tokens, blockLimit), for: w)) { base in
            for start in stride(from: 0, to: tokens, by: blockLimit) {
                let packed = PackedTokens(base: base, tokens: min(blockLimit, tokens - start), for: w)
                for index in 0..<packed.blocks {
                    pack(x + start * xStride, stride: xStride, block: packed.block(index), into: packed)
                }
                product(w, rows: rows, packed, y: y + start * yStride, yStride: yStride, scratch: scratch)
            }
        }
    }

    /// The same with tokens that are packed already.
    func product(
        _ w: WeightView, rows: Range<Int>, _ packed: PackedTokens, y: UnsafeMutablePointer<Float>,
        yStride: Int, scratch: Scratch, next: UnsafeRawPointer? = nil
    ) {
        for index in 0..<packed.blocks {
            let tokens = packed.block(index)
            let target = y + tokens.lowerBound * yStride
            if let scales = w.scales {
                for part in scales.stretches(of: rows) {
                    codeProduct(
                        w, rows: part, scales, packed, tokens, y: target, yStride: yStride, scratch,
                        next: part.upperBound == rows.upperBound ? next : nil)
                }
            } else if multipliesDirectly(w, tokens: tokens.count) {
                directProduct(w, rows: rows, packed, tokens, y: target, yStride: yStride, next: next)
            } else {
                tileProduct(w, rows: rows, TokenBlock(packed, tokens, y: target, yStride: yStride), scratch)
            }
        }
    }

    /// Rows that share their scales: these enter the tokens, and codes meet those.
    private func codeProduct(
        _ w: WeightView, rows: Range<Int>, _ scales: BlockScales, _ packed: PackedTokens,
        _ block: Range<Int>, y: UnsafeMutablePointer<Float>, yStride: Int, _ scratch: Scratch,
        next: UnsafeRawPointer?
    ) {
        let direct = multipliesDirectly(w, tokens: block.count)
        // A panel is multiplied once for many tokens; in registers that pays from three on, where such factors are slow.
        let normal =
            (direct ? avoidsSubnormals && vectors == .avx512 && block.count > 2 : true)
            && scales.areAtLeast(CodeOrder.leastNormalScale, row: rows.lowerBound, columns: w.columns)
        if direct {
            scratch.withFloats(PackedTokens.floats(tokens: block.count, for: w)) { base in
                scale(
                    packed, block, groups: 0..<packed.groups, row: rows.lowerBound, scales,
                    lift: normal ? CodeOrder.normalLift : CodeOrder.lift, into: base)
                directProduct(
                    w, rows: rows, PackedTokens(base: base, tokens: block.count, for: w), 0..<block.count,
                    y: y, yStride: yStride, factor: normal ? CodeOrder.normalFactor : 1, next: next)
            }
        } else {
            tileProduct(
                w, rows: rows, TokenBlock(packed, block, y: y, yStride: yStride, isNormal: normal), scratch)
        }
        for token in 0..<block.count {
            let sums = y + token * yStride + rows.lowerBound
            scaleRow(sums, CodeOrder.rest, rows.count, sums)
        }
    }

    /// One token.
    private func vectorProduct(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        _ scratch: Scratch, _ next: UnsafeRawPointer?
    ) {
        let rowBytes = w.rowStride * w.format.size, way = fetchWays[w.format]
        var job = vector_product(
            weights: w.base + rows.lowerBound * rowBytes, row_bytes: rowBytes, rows: rows.count,
            columns: w.columns, scales: nil, block: 1, phase: 0, x: x, y: y + rows.lowerBound,
            next: next, ahead: way.distance, cache: cache(way),
            ahead_of_four: aheadOfFour(w.format, rowBytes: w.rowStride == w.columns ? rowBytes : nil))
        guard let scales = w.scales else { return vectorProduct(w.format, &job) }
        let floats = PackedTokens.floats(tokens: 1, for: w)
        scratch.withFloats(2 * floats) { base in
            let packed = PackedTokens(base: base, tokens: 1, for: w)
            pack(x, stride: 0, block: 0..<1, into: packed)
            for part in scales.stretches(of: rows) {
                scale(
                    packed, 0..<1, groups: 0..<packed.groups, row: part.lowerBound, scales,
                    lift: CodeOrder.lift, into: base + floats)
                job.weights = w.base + part.lowerBound * rowBytes
                job.rows = part.count
                job.next = part.upperBound == rows.upperBound ? next : nil
                job.x = UnsafePointer(base + floats)
                job.y = y + part.lowerBound
                vectorProduct(w.format, &job)
            }
            scaleRow(y + rows.lowerBound, CodeOrder.rest, rows.count, y + rows.lowerBound)
        }
    }
}

/// Tokens that go through the tiles together.
private struct TokenBlock {
    let packed: PackedTokens
    let range: Range<Int>
    let y: UnsafeMutablePointer<Float>
    let yStride: Int
    /// Whether codes are made normal floats, and the activations fit those.
    let isNormal: Bool

    init(
        _ packed: PackedTokens, _ range: Range<Int>, y: UnsafeMutablePointer<Float>, yStride: Int,
        isNormal: Bool = false
    ) {
        self.isNormal = isNormal
        self.packed = packed
        self.range = range
        self.y = y
        self.yStride = yStride
    }

    var tokens: Int { range.count }
    var groups: Int { packed.groups }
    /// Floats of packed tokens that are worked on at a time: a copy with scales needs the same room again.
    private var limit: Int { packed.isForCodes ? packedFloats / 2 : packedFloats }

    /// Groups of 16 columns whose packed tokens fit in the second-level cache, in whole strips.
    var stretch: Int { max(1, limit / (tokens * stripColumns)) * (stripColumns / 16) }
    /// Floats of the copy.
    var scaledFloats: Int { packed.isForCodes ? min(stretch, groups) * tokens * 16 : 0 }
}

/// Where the tiles find the packed tokens of a stretch of k.
private struct PackedStretch {
    let groups: Range<Int>
    /// First float of the block, whose tiles have `blockGroups` groups, the first of them number `firstGroup`.
    let base: UnsafePointer<Float>
    let blockGroups: Int
    let firstGroup: Int
}

extension Kernels {
    /// One block of tokens against rows in fours. k is cut so that the packed tokens stay in cache; partial
    /// sums wait in memory.
    private func tileProduct(_ w: WeightView, rows: Range<Int>, _ block: TokenBlock, _ scratch: Scratch) {
        let quads = (rows.count + 3) / 4
        let sumsPerQuad = block.tokens * 64
        let sumFloats = block.stretch < block.groups ? quads * sumsPerQuad : sumsPerQuad
        scratch.withFloats(stripColumns * 4 + block.scaledFloats + sumFloats) { panel in
            let scaled = panel + stripColumns * 4
            let sums = scaled + block.scaledFloats
            for first in stride(from: 0, to: block.groups, by: block.stretch) {
                let stretch = packedStretch(
                    w, rows.lowerBound, block, first..<min(block.groups, first + block.stretch), scaled)
                for quad in 0..<quads {
                    let row = rows.lowerBound + quad * 4
                    let partial = block.stretch < block.groups ? sums + quad * sumsPerQuad : sums
                    runQuad(
                        w, row..<min(rows.upperBound, row + 4), block, stretch, panel: panel, sums: partial)
                }
            }
        }
    }

    /// The packed tokens where they lie, or a copy at `scaled` that has the scales of `row`.
    private func packedStretch(
        _ w: WeightView, _ row: Int, _ block: TokenBlock, _ groups: Range<Int>,
        _ scaled: UnsafeMutablePointer<Float>
    ) -> PackedStretch {
        guard let scales = w.scales else {
            return PackedStretch(
                groups: groups, base: block.packed.address(token: block.range.lowerBound),
                blockGroups: block.groups, firstGroup: 0)
        }
        scale(
            block.packed, block.range, groups: groups, row: row, scales,
            lift: block.isNormal ? CodeOrder.normalLift : CodeOrder.lift, into: scaled)
        return PackedStretch(
            groups: groups, base: scaled, blockGroups: groups.count, firstGroup: groups.lowerBound)
    }

    /// Asks for the third four rows from here, where they are columns of a wider matrix: of these lie no two so near that
    /// the processor asks for them by itself.
    private func askAhead(_ w: WeightView, _ rows: Range<Int>, _ columns: Range<Int>) {
        guard w.rowStride > w.columns else { return }
        let size = w.format.size
        for row in rows.lowerBound + 8..<max(rows.lowerBound + 8, min(w.rows, rows.lowerBound + 12)) {
            let first = w.base + (row * w.rowStride + columns.lowerBound) * size
            for byte in stride(from: 0, to: columns.count * size, by: 64) { prefetch(first + byte) }
            prefetch(first + (columns.count * size - 1))
        }
    }

    /// Four rows over one stretch of k, strip by strip.
    private func runQuad(
        _ w: WeightView, _ rows: Range<Int>, _ block: TokenBlock, _ stretch: PackedStretch,
        panel: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>
    ) {
        var job = tile_product(
            panel: panel, x: stretch.base, groups: 0, block_groups: stretch.blockGroups, start_group: 0,
            tokens: block.tokens,
            tiles: (block.tokens + tileWidth - 1) / tileWidth, sums: sums, y: block.y + rows.lowerBound,
            y_stride: block.yStride, rows: rows.count, first: 0, last: 0)
        for start in stride(
            from: stretch.groups.lowerBound, to: stretch.groups.upperBound, by: stripColumns / 16)
        {
            let end = min(stretch.groups.upperBound, start + stripColumns / 16)
            let columns = start * 16..<min(w.columns, end * 16)
            askAhead(w, rows, columns)
            for index in 0..<4 {
                let row = min(rows.lowerBound + index, rows.upperBound - 1)
                if w.format == .float8E4M3 {
                    decodeCodes(
                        w.base + row * w.rowStride + columns.lowerBound, columns.count,
                        block.isNormal ? CodeOrder.normalFactor : 1, panel + index * 16, 64)
                } else {
                    decode(w, row: row, columns: columns, into: panel + index * 16, stride: 64)
                }
            }
            job.groups = end - start
            job.start_group = start - stretch.firstGroup
            job.first = start == 0 ? 1 : 0
            job.last = end == block.groups ? 1 : 0
            runTiles(&job)
        }
    }
}
