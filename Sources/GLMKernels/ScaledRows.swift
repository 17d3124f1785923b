import CVector

// Codes by the codes of one token, at the speed of memory: the order of the scaled tiles, the streams of the
// vector product.

/// y[n] = Σ_b (Σ_{k∈b} x̂[k] · q[n, k]) · (s_a[b] · s_w[n, b]); `wide` is a literal at every use.
@inline(__always)
private func scaledRows(_ scaled: scaled_vector, wide: Bool) {
    let job = scaled.rows
    let quarter = (job.rows &+ 3) / 4
    let whole = f32x16_all(0x1p120)
    var row = 0
    while row < quarter {
        let w = FourRows(job, row, step: quarter, 1)
        var sums = FourSums()
        var k = 0
        var block = 0
        while k < job.columns {
            var part = FourSums()
            let end = min(k &+ job.block, job.columns)
            while k < end {
                w.prefetchAfter(k)
                add64(w.a + k, job.x + k, whole, &part.a, wide)
                add64(w.b + k, job.x + k, whole, &part.b, wide)
                add64(w.c + k, job.x + k, whole, &part.c, wide)
                add64(w.d + k, job.x + k, whole, &part.d, wide)
                k &+= 64
            }
            var factor = scaled.token_scales[block]
            if let scales = job.scales { factor *= f32_load(scales + block &* 4) }
            let all = f32x16_all(factor)
            sums.a = f32x16_multiply_add(part.a, all, sums.a)
            sums.b = f32x16_multiply_add(part.b, all, sums.b)
            sums.c = f32x16_multiply_add(part.c, all, sums.c)
            sums.d = f32x16_multiply_add(part.d, all, sums.d)
            block &+= 1
        }
        sums.scatter(job.y, row, step: quarter, end: job.rows)
        row &+= 1
    }
}

/// 64 codes as they are.
@inline(__always)
private func add64(
    _ p: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ whole: f32x16, _ sum: inout f32x16, _ wide: Bool
) {
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    if wide {
        f32x16_load_64_fp8(p, &w)
    } else {
        w = (
            f32x16_load_weights(p, 2), f32x16_load_weights(p + 16, 2), f32x16_load_weights(p + 32, 2),
            f32x16_load_weights(p + 48, 2)
        )
    }
    sum = f32x16_multiply_add(f32x16_multiply(w.0, whole), f32x16_load(x), sum)
    sum = f32x16_multiply_add(f32x16_multiply(w.1, whole), f32x16_load(x + 16), sum)
    sum = f32x16_multiply_add(f32x16_multiply(w.2, whole), f32x16_load(x + 32), sum)
    sum = f32x16_multiply_add(f32x16_multiply(w.3, whole), f32x16_load(x + 48), sum)
}

@c @implementation
func scaled_vector_rows_wide(_ job: UnsafePointer<scaled_vector>) { scaledRows(job.pointee, wide: true) }
@c @implementation
func scaled_vector_rows_baseline(_ job: UnsafePointer<scaled_vector>) { scaledRows(job.pointee, wide: false) }

extension Kernels {
    /// One token by rows of whole lines, in stretches that share their multipliers; false where the panel has
    /// to do it.
    func scaledRows(
        _ w: WeightView, rows: Range<Int>, _ token: QuantizedTokens, y: UnsafeMutablePointer<Float>
    ) -> Bool {
        guard w.hasWholeLines, let scales = w.scales else { return false }
        var start = rows.lowerBound
        while start < rows.upperBound {
            let end = min(rows.upperBound, start + scales.rowsWithOneScale(from: start))
            var job = scaled_vector(
                rows: vector_product(
                    weights: w.base + start * w.rowStride, row_bytes: w.rowStride, rows: end - start,
                    columns: w.columns, scales: nil, block: 1, phase: 0, x: token.codes, y: y + start,
                    next: nil, ahead: fetchWays.codes.distance, cache: cache(fetchWays.codes),
                    ahead_of_four: 0),
                token_scales: token.scales)
            scales.fill(&job.rows, row: start, column: 0)
            runScaledRows(&job)
            start = end
        }
        return true
    }

    @inline(never)
    private func runScaledRows(_ job: UnsafePointer<scaled_vector>) {
        switch vectors {
        case .avx512: scaled_vector_rows_avx512(job)
        case .avx2: scaled_vector_rows_avx2(job)
        case .baseline: scaled_vector_rows_baseline(job)
        }
    }
}
