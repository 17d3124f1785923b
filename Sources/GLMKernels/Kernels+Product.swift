import CVector

/// Columns decoded into the nearest cache at a time; a multiple of 16.
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
    /// stored, or against strips of decoded ones (many tokens by FP8, rows that are not whole lines); a call
    /// allocates up to some hundred kilobytes of scratch for that, so rows should come in dozens.
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
        let floats = PackedTokens.floats(tokens: min(tokens, blockLimit), columns: w.columns)
        withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { buffer in
            guard let base = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            for start in stride(from: 0, to: tokens, by: blockLimit) {
                let packed = PackedTokens(
                    base: base, tokens: min(blockLimit, tokens - start), columns: w.columns)
                for index in 0..<packed.blocks {
                    pack(x + start * xStride, stride: xStride, block: packed.block(index), into: packed)
                }
                product(w, rows: rows, packed, y: y + start * yStride, yStride: yStride)
            }
        }
    }

    /// The same with tokens that are packed already.
    func product(
        _ w: WeightView, rows: Range<Int>, _ packed: PackedTokens, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        for index in 0..<packed.blocks {
            let tokens = packed.block(index)
            if multipliesDirectly(w, tokens: tokens.count) {
                directProduct(
                    w, rows: rows, packed, tokens, y: y + tokens.lowerBound * yStride, yStride: yStride)
                continue
            }
            let block = TokenBlock(
                packed: packed.address(token: tokens.lowerBound), tokens: tokens.count, groups: packed.groups,
                y: y + tokens.lowerBound * yStride, yStride: yStride)
            tileProduct(w, rows: rows, block)
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
    let packed: UnsafePointer<Float>
    let tokens: Int
    let groups: Int
    let y: UnsafeMutablePointer<Float>
    let yStride: Int

    /// Groups of 16 columns whose packed tokens fit in the second-level cache, in whole strips.
    var stretch: Int { max(1, packedFloats / (tokens * stripColumns)) * (stripColumns / 16) }
}

extension Kernels {
    /// One block of tokens against rows in fours. k is cut so that the packed tokens stay in cache; partial
    /// sums wait in memory.
    private func tileProduct(_ w: WeightView, rows: Range<Int>, _ block: TokenBlock) {
        let quads = (rows.count + 3) / 4
        let sumsPerQuad = block.tokens * 64
        let sumFloats = block.stretch < block.groups ? quads * sumsPerQuad : sumsPerQuad
        withUnsafeTemporaryAllocation(byteCount: (sumFloats + stripColumns * 4) * 4, alignment: 64) {
            buffer in
            guard let panel = buffer.baseAddress?.assumingMemoryBound(to: Float.self) else { return }
            let sums = panel + stripColumns * 4
            for first in stride(from: 0, to: block.groups, by: block.stretch) {
                let stretch = first..<min(block.groups, first + block.stretch)
                for quad in 0..<quads {
                    let row = rows.lowerBound + quad * 4
                    let partial = block.stretch < block.groups ? sums + quad * sumsPerQuad : sums
                    runQuad(
                        w, row..<min(rows.upperBound, row + 4), block, stretch, panel: panel, sums: partial)
                }
            }
        }
    }

    /// Four rows over one stretch of k, strip by strip.
    private func runQuad(
        _ w: WeightView, _ rows: Range<Int>, _ block: TokenBlock, _ stretch: Range<Int>,
        panel: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>
    ) {
        var job = tile_product(
            panel: panel, x: block.packed, groups: 0, block_groups: block.groups, start_group: 0,
            tokens: block.tokens,
            tiles: (block.tokens + tileWidth - 1) / tileWidth, sums: sums, y: block.y + rows.lowerBound,
            y_stride: block.yStride, rows: rows.count, first: 0, last: 0)
        for start in stride(from: stretch.lowerBound, to: stretch.upperBound, by: stripColumns / 16) {
            let end = min(stretch.upperBound, start + stripColumns / 16)
            for index in 0..<4 {
                let row = min(rows.lowerBound + index, rows.upperBound - 1)
                decode(
                    w, row: row, columns: start * 16..<min(w.columns, end * 16), into: panel + index * 16,
                    stride: 64)
            }
            job.groups = end - start
            job.start_group = start
            job.first = start == 0 ? 1 : 0
            job.last = end == block.groups ? 1 : 0
            runTiles(&job)
        }
    }
}
