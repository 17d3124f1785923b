import CVector

// One token in BF16 against stored weights, at the speed of memory: the order of the pair tiles, the streams of
// the vector product.

/// y[n] = Σ_k w[n, k] · x[k] in pairs; `format`, `size` and `dot` are literals at every use.
@inline(__always)
private func pairRows(_ format: Int32, _ size: Int, _ job: vector_product, dot: Bool) {
    let quarter = (job.rows &+ 3) / 4
    var row = 0
    while row < quarter {
        let w = FourRows(job, row, step: quarter, size)
        var sums = FourSums()
        var k = 0
        var x = UnsafeRawPointer(job.x)
        var cursor = ScaleCursor(format == 2 ? job.scales : nil, block: job.block, phase: job.phase)
        while k < job.columns {
            let scale = cursor.scale
            let end = cursor.end(k, job.columns)
            while k < end {
                w.prefetchAfter(k &* size)
                if format == 2 {
                    add64(w.a + k, x, scale, &sums.a, dot)
                    add64(w.b + k, x, scale, &sums.b, dot)
                    add64(w.c + k, x, scale, &sums.c, dot)
                    add64(w.d + k, x, scale, &sums.d, dot)
                } else {
                    add32(w.a + 2 &* k, x, &sums.a, dot)
                    add32(w.b + 2 &* k, x, &sums.b, dot)
                    add32(w.c + 2 &* k, x, &sums.c, dot)
                    add32(w.d + 2 &* k, x, &sums.d, dot)
                }
                x += 128 / size
                k &+= 64 / size
            }
        }
        sums.scatter(job.y, row, step: quarter, end: job.rows)
        row &+= 1
    }
}

/// 32 BF16 weights.
@inline(__always)
private func add32(_ w: UnsafeRawPointer, _ x: UnsafeRawPointer, _ sum: inout f32x16, _ dot: Bool) {
    if dot { dot_bf16_row(&sum, w, x) } else { add_bf16_row(&sum, w, i32x16_load(x)) }
}

/// 64 FP8 weights.
@inline(__always)
private func add64(
    _ p: UnsafeRawPointer, _ x: UnsafeRawPointer, _ scale: f32x16, _ sum: inout f32x16, _ dot: Bool
) {
    if !dot {
        sum = f32x16_add_fp8_pairs(sum, p, scale, x)
        sum = f32x16_add_fp8_pairs(sum, p + 32, scale, x + 64)
        return
    }
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    f32x16_load_64_fp8(p, &w)
    var a = f32x16_multiply(w.0, scale), b = f32x16_multiply(w.1, scale)
    dot_bf16_floats(&sum, &a, &b, x)
    a = f32x16_multiply(w.2, scale)
    b = f32x16_multiply(w.3, scale)
    dot_bf16_floats(&sum, &a, &b, x + 64)
}

@c @implementation
func pair_rows_bf16_wide(_ job: UnsafePointer<vector_product>) { pairRows(1, 2, job.pointee, dot: false) }
@c @implementation
func pair_rows_fp8_baseline(_ job: UnsafePointer<vector_product>) { pairRows(2, 1, job.pointee, dot: false) }
@c @implementation
func pair_rows_bf16_dot(_ job: UnsafePointer<vector_product>) { pairRows(1, 2, job.pointee, dot: true) }
@c @implementation
func pair_rows_fp8_dot(_ job: UnsafePointer<vector_product>) { pairRows(2, 1, job.pointee, dot: true) }

extension BlockScales {
    /// Whether no weight of `columns` in `row` becomes a subnormal float: multipliers are zero or far from it.
    func areNormal(row: Int, columns: Int) -> Bool { areAtLeast(0x1p-110, row: row, columns: columns) }

    /// Whether the multipliers of `columns` in `row` are zero, or `limit` at least.
    func areAtLeast(_ limit: Float, row: Int, columns: Int) -> Bool {
        let first = columnOrigin / blockColumns, last = (columnOrigin + columns - 1) / blockColumns
        let line = base + (rowOrigin + row) / blockRows * stride * 4
        for block in first...last {
            let size = abs(line.loadUnaligned(fromByteOffset: block * 4, as: Float.self))
            if size != 0 && size < limit { return false }
        }
        return true
    }
}

extension Kernels {
    /// One token by rows of whole lines, in stretches that share their scales; false where the panel has to
    /// do it: rows of other lengths, and multipliers so small that a weight is a subnormal float, which the
    /// instruction takes for zero before it rounds.
    func pairRows(
        _ w: WeightView, rows: Range<Int>, x: UnsafeRawPointer, y: UnsafeMutablePointer<Float>
    ) -> Bool {
        guard w.hasWholeLines, w.isAddedInPairs(at: level) else { return false }
        let dot = hasBFloat16Products, way = fetchWays[w.format]
        var start = rows.lowerBound
        while start < rows.upperBound {
            let stretch = w.scales?.rowsWithOneScale(from: start) ?? rows.count
            if dot, let scales = w.scales, !scales.areNormal(row: start, columns: w.columns) { return false }
            let end = min(rows.upperBound, start + stretch)
            var job = vector_product(
                weights: w.base + start * w.rowStride * w.format.size, row_bytes: w.rowStride * w.format.size,
                rows: end - start, columns: w.columns, scales: nil, block: 1, phase: 0,
                x: x.assumingMemoryBound(to: Float.self), y: y + start,
                next: nil, ahead: way.distance, cache: cache(way), ahead_of_four: 0)
            w.scales?.fill(&job, row: start, column: 0)
            runPairRows(w.format, &job, dot: dot)
            start = end
        }
        return true
    }

    @inline(never)
    private func runPairRows(_ format: WeightView.Format, _ job: UnsafePointer<vector_product>, dot: Bool) {
        switch (vectors, format, dot) {
        case (_, .float8E4M3, true): pair_rows_fp8_bf16(job)
        case (_, _, true): pair_rows_bf16_bf16(job)
        case (.avx512, .float8E4M3, _): pair_rows_fp8_avx512(job)
        case (.avx512, _, _): pair_rows_bf16_avx512(job)
        case (.avx2, _, _): pair_rows_fp8_avx2(job)
        case (.baseline, _, _): pair_rows_fp8_baseline(job)
        }
    }
}
