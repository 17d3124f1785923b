import CVector

// Codes by codes: y = Σ_b (Σ_{k∈b} x̂ · q) · (s_a · s_w). Sums of one block run in 16 lanes of their own, and
// enter the lanes of the output, multiplied, when the block ends.

/// The most tokens of one tile: its sums and those of the block at hand are 24 registers.
let scaledTileWidth = 3

/// sums += block · (token's multiplier · row's multiplier).
@inline(__always)
private func accumulate(
    _ block: FourSums, _ rows: UnsafePointer<Float>, _ token: Float, _ sums: inout FourSums
) {
    sums.a = f32x16_multiply_add(block.a, f32x16_all(token * rows[0]), sums.a)
    sums.b = f32x16_multiply_add(block.b, f32x16_all(token * rows[1]), sums.b)
    sums.c = f32x16_multiply_add(block.c, f32x16_all(token * rows[2]), sums.c)
    sums.d = f32x16_multiply_add(block.d, f32x16_all(token * rows[3]), sums.d)
}

/// One tile: `tokens` is a literal at every use, so the branches vanish.
@inline(__always)
private func scaledTile(_ job: scaled_tile, _ tokens: Int) {
    var t0 = FourSums(), t1 = FourSums(), t2 = FourSums()
    if job.first == 0 {
        t0.load(job.sums)
        if tokens > 1 { t1.load(job.sums + 64) }
        if tokens > 2 { t2.load(job.sums + 128) }
    }
    var w = job.panel, x = job.x, rows = job.row_scales, scales = job.token_scales
    var left = job.groups
    while left > 0 {
        var b0 = FourSums(), b1 = FourSums(), b2 = FourSums()
        var groups = min(left, job.block)
        left &-= groups
        while groups > 0 {
            let weights = (
                f32x16_load(w), f32x16_load(w + 16), f32x16_load(w + 32), f32x16_load(w + 48)
            )
            b0.add(weights, f32x16_load(x))
            if tokens > 1 { b1.add(weights, f32x16_load(x + 16)) }
            if tokens > 2 { b2.add(weights, f32x16_load(x + 32)) }
            w += 64
            x += tokens &* 16
            groups &-= 1
        }
        accumulate(b0, rows, scales[0], &t0)
        if tokens > 1 { accumulate(b1, rows, scales[1], &t1) }
        if tokens > 2 { accumulate(b2, rows, scales[2], &t2) }
        rows += 4
        scales += tokens
    }
    if job.last == 0 {
        t0.save(job.sums)
        if tokens > 1 { t1.save(job.sums + 64) }
        if tokens > 2 { t2.save(job.sums + 128) }
    } else {
        t0.store(job.y, rows: job.rows)
        if tokens > 1 { t1.store(job.y + job.y_stride, rows: job.rows) }
        if tokens > 2 { t2.store(job.y + 2 &* job.y_stride, rows: job.rows) }
    }
}

@c @implementation
func scaled_tile1_baseline(_ job: UnsafePointer<scaled_tile>) { scaledTile(job.pointee, 1) }
@c @implementation
func scaled_tile2_baseline(_ job: UnsafePointer<scaled_tile>) { scaledTile(job.pointee, 2) }
@c @implementation
func scaled_tile3_baseline(_ job: UnsafePointer<scaled_tile>) { scaledTile(job.pointee, 3) }

extension Kernels {
    /// One tile of 1 to 3 tokens.
    @inline(never)
    func runScaledTile(_ job: UnsafePointer<scaled_tile>, tokens: Int) {
        switch (vectors, tokens) {
        case (.avx512, 1): scaled_tile1_avx512(job)
        case (.avx512, 2): scaled_tile2_avx512(job)
        case (.avx512, _): scaled_tile3_avx512(job)
        case (.avx2, 1): scaled_tile1_avx2(job)
        case (.avx2, 2): scaled_tile2_avx2(job)
        case (.avx2, _): scaled_tile3_avx2(job)
        case (.baseline, 1): scaled_tile1_baseline(job)
        case (.baseline, 2): scaled_tile2_baseline(job)
        case (.baseline, _): scaled_tile3_baseline(job)
        }
    }
}
