import CVector

/// Columns decoded into the nearest cache at a time; a multiple of 16.
private let stripColumns = 512
/// Tokens of one block: its packed strip must stay in the second-level cache beside the partial sums.
private let blockTokens = 48
/// Floats of packed tokens that may lie in the second-level cache.
private let packedFloats = 98_304

extension Kernels {
    /// y[t, n] = Σ_k w[n, k] · x[t, k] for n in `rows` and all tokens; element (t, n) goes to `y[t * yStride
    /// + n]`.
    ///
    /// One token streams the weights by. More tokens are packed and run in tiles against strips of decoded
    /// weights; then a call allocates some hundred kilobytes of scratch, so rows should come in dozens.
    /// - Precondition: `rows` lies in the matrix; x is `[tokens, w.columns]` with row stride `xStride`.
    public func product(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        if rows.isEmpty || tokens <= 0 { return }
        if w.columns == 0 {
            for t in 0..<tokens {
                (y + t * yStride + rows.lowerBound).update(repeating: 0, count: rows.count)
            }
            return
        }
        if tokens == 1 && (w.scales?.hasWholeGroups ?? true) {
            return vectorProduct(w, rows: rows, x: x, y: y)
        }
        let blocks = (tokens + blockTokens - 1) / blockTokens
        var start = 0
        for block in 0..<blocks {
            let count = tokens / blocks + (block < tokens % blocks ? 1 : 0)
            let part = TokenBlock(
                x: x + start * xStride, tokens: count, xStride: xStride, y: y + start * yStride,
                yStride: yStride)
            tileProduct(w, rows: rows, part)
            start += count
        }
    }

    /// One token; FP8 rows go in stretches that share their scales.
    private func vectorProduct(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        let rowBytes = w.rowStride * w.format.size
        var start = rows.lowerBound
        while start < rows.upperBound {
            let stretch = w.scales?.rowsWithOneScale(from: start) ?? rows.count
            let end = min(rows.upperBound, start + stretch)
            var job = vector_product(
                weights: w.base + start * rowBytes, row_bytes: rowBytes, rows: end - start,
                columns: w.columns, scales: nil, block: 1, phase: 0, x: x, y: y + start)
            w.scales?.fill(&job, row: start, column: 0)
            vectorProduct(w.format, &job)
            start = end
        }
    }
}

/// Tokens that go through the tiles together.
private struct TokenBlock {
    let x: UnsafePointer<Float>
    let tokens: Int
    let xStride: Int
    let y: UnsafeMutablePointer<Float>
    let yStride: Int

    var tiles: Int { (tokens + tileWidth - 1) / tileWidth }
}

extension Kernels {
    /// One block of tokens against rows in fours. k is cut so that the packed tokens stay in cache; partial
    /// sums wait in memory.
    private func tileProduct(_ w: WeightView, rows: Range<Int>, _ block: TokenBlock) {
        let groups = (w.columns + 15) / 16
        let stretchGroups = min(
            groups, max(1, packedFloats / (block.tokens * stripColumns)) * (stripColumns / 16))
        let quads = (rows.count + 3) / 4
        let sumsPerQuad = block.tokens * 64
        let sumFloats = stretchGroups < groups ? quads * sumsPerQuad : sumsPerQuad
        let packFloats = block.tokens * stretchGroups * 16
        let floats = packFloats + sumFloats + stripColumns * 4
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let base = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let panel = base, packed = base + stripColumns * 4
            let sums = packed + packFloats
            for firstGroup in stride(from: 0, to: groups, by: stretchGroups) {
                let stretch = firstGroup..<min(groups, firstGroup + stretchGroups)
                pack(block, stretch, columns: w.columns, packed)
                for quad in 0..<quads {
                    let partial = stretchGroups < groups ? sums + quad * sumsPerQuad : sums
                    let first = rows.lowerBound + quad * 4
                    let four = first..<min(rows.upperBound, first + 4)
                    runQuad(w, four, block, stretch, groups, panel: panel, packed: packed, sums: partial)
                }
            }
        }
    }

    /// Packs columns of all tokens, tile by tile.
    private func pack(
        _ block: TokenBlock, _ stretch: Range<Int>, columns: Int, _ packed: UnsafeMutablePointer<Float>
    ) {
        let column = stretch.lowerBound * 16
        let count = min(columns, stretch.upperBound * 16) - column
        var start = 0
        for tile in 0..<block.tiles {
            let tokens = tileTokens(block.tokens, block.tiles, tile)
            packTokens(
                block.x + start * block.xStride + column, block.xStride, tokens, count,
                packed + start * stretch.count * 16, tokens * 16)
            start += tokens
        }
    }

    /// Four rows over one stretch of k, strip by strip.
    private func runQuad(
        _ w: WeightView, _ rows: Range<Int>, _ block: TokenBlock, _ stretch: Range<Int>, _ groups: Int,
        panel: UnsafeMutablePointer<Float>, packed: UnsafePointer<Float>, sums: UnsafeMutablePointer<Float>
    ) {
        var job = tile_product(
            panel: panel, x: packed, groups: 0, block_groups: stretch.count, start_group: 0,
            tokens: block.tokens, tiles: block.tiles, sums: sums, y: block.y + rows.lowerBound,
            y_stride: block.yStride, rows: rows.count, first: 0, last: 0)
        for start in stride(from: stretch.lowerBound, to: stretch.upperBound, by: stripColumns / 16) {
            let end = min(stretch.upperBound, start + stripColumns / 16)
            let columns = start * 16..<min(w.columns, end * 16)
            for index in 0..<4 {
                let row = min(rows.lowerBound + index, rows.upperBound - 1)
                decode(w, row: row, columns: columns, into: panel + index * 16, stride: 64)
            }
            job.groups = end - start
            job.start_group = start - stretch.lowerBound
            job.first = start == 0 ? 1 : 0
            job.last = end == groups ? 1 : 0
            runTiles(&job)
        }
    }
}
