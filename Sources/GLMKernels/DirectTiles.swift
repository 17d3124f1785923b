import CVector

// 2 to 6 tokens against stored weights: the vector product with more sums. Weights become floats in registers,
// and what follows them in memory is asked for meanwhile.

/// Four rows by `tokens` over all columns, then the next four; `format`, `size` and `tokens` are literals at
/// every use, so the branches vanish.
@inline(__always)
private func wideBody(_ format: Int32, _ size: Int, _ tokens: Int, _ job: direct_tile) {
    var row = job.first
    let end = job.first &+ job.count
    while row < end {
        var w = Quad(job, row)
        let cache = job.cache, isScaled = job.factor != 1
        let factor = f32x16_all(job.factor)
        let ahead = job.ahead &+ (row &- job.first >= job.border ? job.jump : 0)
        var x = job.x
        var tile = WideTile()
        var k = 0
        while k &+ 64 / size <= job.columns {
            w.prefetchAfter(ahead, job.streams, cache)
            if size == 1 {
                let a = wideCodes(w.a, factor, isScaled), b = wideCodes(w.b, factor, isScaled)
                let c = wideCodes(w.c, factor, isScaled), d = wideCodes(w.d, factor, isScaled)
                tile.add((a.0, b.0, c.0, d.0), x, 16, tokens)
                tile.add((a.1, b.1, c.1, d.1), x + tokens &* 16, 16, tokens)
                tile.add((a.2, b.2, c.2, d.2), x + tokens &* 32, 16, tokens)
                tile.add((a.3, b.3, c.3, d.3), x + tokens &* 48, 16, tokens)
            } else {
                tile.add(w.vectors(format, 0), x, 16, tokens)
                if size == 2 { tile.add(w.vectors(format, 32), x + tokens &* 16, 16, tokens) }
            }
            w.advance(64)
            x += tokens &* 64 / size
            k &+= 64 / size
        }
        // Half a line of BF16: a device's columns of a narrow matrix.
        if size == 2, k < job.columns {
            w.prefetchAfter(ahead, job.streams, cache)
            tile.add(w.vectors(format, 0), x, 16, tokens)
        }
        if job.step == 1, row &+ 4 <= job.rows {
            tile.store(job.y + row, job.y_stride, 4, tokens)
        } else {
            tile.scatter(job.y, job.y_stride, row, step: job.step, end: job.rows, tokens)
        }
        row &+= 1
    }
}

/// 64 codes as floats, times `factor` where that is asked for.
@inline(__always)
private func wideCodes(_ p: UnsafeRawPointer, _ factor: f32x16, _ isScaled: Bool) -> FourVectors {
    let w = wideCodes(p)
    if !isScaled { return w }
    return (
        f32x16_multiply(w.0, factor), f32x16_multiply(w.1, factor), f32x16_multiply(w.2, factor),
        f32x16_multiply(w.3, factor)
    )
}

/// The current place in each of four rows; rows beyond the last repeat it.
private struct Quad {
    var a, b, c, d: UnsafeRawPointer

    @inline(__always)
    init(_ job: direct_tile, _ row: Int) {
        let last = job.rows &- 1
        a = job.weights + row &* job.row_bytes
        b = job.weights + min(row &+ job.step, last) &* job.row_bytes
        c = job.weights + min(row &+ 2 &* job.step, last) &* job.row_bytes
        d = job.weights + min(row &+ 3 &* job.step, last) &* job.row_bytes
    }

    @inline(__always)
    mutating func advance(_ bytes: Int) {
        a += bytes
        b += bytes
        c += bytes
        d += bytes
    }

    /// Asks for what follows in the rows that `streams` names.
    @inline(__always)
    func prefetchAfter(_ distance: Int, _ streams: Int32, _ cache: Int32) {
        if streams < 2 { askForWeights(a + distance, b + distance, cache: cache) }
        if streams & 1 == 0 { askForWeights(c + distance, d + distance, cache: cache) }
    }

    /// 16 weights of each row as exact floats, `offset` bytes on.
    @inline(__always)
    func vectors(_ format: Int32, _ offset: Int) -> FourVectors {
        (
            f32x16_load_weights(a + offset, format), f32x16_load_weights(b + offset, format),
            f32x16_load_weights(c + offset, format), f32x16_load_weights(d + offset, format)
        )
    }
}

/// Sums of 2 rows × 2 or 3 tokens, each in two halves: 8 or 12 of the 16 registers of AVX2.
private struct NarrowTile {
    var a0 = f32x16_all(0), a1 = f32x16_all(0), a2 = f32x16_all(0)
    var b0 = f32x16_all(0), b1 = f32x16_all(0), b2 = f32x16_all(0)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func add(
        _ a: f32x16, _ b: f32x16, _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int
    ) {
        let x0 = f32x16_load(x), x1 = f32x16_load(x + stride)
        a0 = f32x16_multiply_add(a, x0, a0)
        b0 = f32x16_multiply_add(b, x0, b0)
        a1 = f32x16_multiply_add(a, x1, a1)
        b1 = f32x16_multiply_add(b, x1, b1)
        if tokens < 3 { return }
        let x2 = f32x16_load(x + 2 &* stride)
        a2 = f32x16_multiply_add(a, x2, a2)
        b2 = f32x16_multiply_add(b, x2, b2)
    }

    /// `step` elements lie between the two rows; 0 for one row alone.
    @inline(__always)
    func store(_ y: UnsafeMutablePointer<Float>, _ stride: Int, _ step: Int, _ tokens: Int) {
        y[0] = f32x16_sum(a0)
        y[stride] = f32x16_sum(a1)
        if tokens > 2 { y[2 &* stride] = f32x16_sum(a2) }
        if step == 0 { return }
        y[step] = f32x16_sum(b0)
        y[stride &+ step] = f32x16_sum(b1)
        if tokens > 2 { y[2 &* stride &+ step] = f32x16_sum(b2) }
    }
}

/// The same as `wideBody`, two rows at a time.
@inline(__always)
private func narrowBody(_ format: Int32, _ size: Int, _ tokens: Int, _ job: direct_tile) {
    var index = 0
    while index < 2 &* job.count {
        let row = job.first &+ index / 2 &+ (index & 1) &* 2 &* job.step
        index &+= 1
        if row >= job.rows { continue }
        let a = job.weights + row &* job.row_bytes
        let b = job.weights + min(row &+ job.step, job.rows &- 1) &* job.row_bytes
        var tile = NarrowTile()
        var k = 0
        while k < job.columns {
            let offset = k &* size
            let x = job.x + k / 16 &* job.x_stride
            if job.streams < 2 && offset & 63 == 0 {
                prefetch(a + (offset &+ job.ahead))
                prefetch(b + (offset &+ job.ahead))
            }
            if size == 1 {
                let first = codes(a + k), second = codes(b + k)
                tile.add(first.0, second.0, x, 16, tokens)
                tile.add(first.1, second.1, x + job.x_stride, 16, tokens)
                tile.add(first.2, second.2, x + 2 &* job.x_stride, 16, tokens)
                tile.add(first.3, second.3, x + 3 &* job.x_stride, 16, tokens)
                k &+= 64
            } else {
                tile.add(
                    f32x16_load_weights(a + offset, format), f32x16_load_weights(b + offset, format), x, 16,
                    tokens)
                k &+= 16
            }
        }
        tile.store(job.y + row, job.y_stride, row &+ job.step < job.rows ? job.step : 0, tokens)
    }
}

@c @implementation
func product_direct2_f32_wide(_ job: UnsafePointer<direct_tile>) { wideBody(0, 4, 2, job.pointee) }
@c @implementation
func product_direct2_bf16_wide(_ job: UnsafePointer<direct_tile>) { wideBody(1, 2, 2, job.pointee) }
@c @implementation
func product_direct2_fp8_wide(_ job: UnsafePointer<direct_tile>) { wideBody(2, 1, 2, job.pointee) }
@c @implementation
func product_direct3_f32_wide(_ job: UnsafePointer<direct_tile>) { wideBody(0, 4, 3, job.pointee) }
@c @implementation
func product_direct3_bf16_wide(_ job: UnsafePointer<direct_tile>) { wideBody(1, 2, 3, job.pointee) }
@c @implementation
func product_direct3_fp8_wide(_ job: UnsafePointer<direct_tile>) { wideBody(2, 1, 3, job.pointee) }
@c @implementation
func product_direct4_f32_wide(_ job: UnsafePointer<direct_tile>) { wideBody(0, 4, 4, job.pointee) }
@c @implementation
func product_direct4_bf16_wide(_ job: UnsafePointer<direct_tile>) { wideBody(1, 2, 4, job.pointee) }
@c @implementation
func product_direct4_fp8_wide(_ job: UnsafePointer<direct_tile>) { wideBody(2, 1, 4, job.pointee) }
@c @implementation
func product_direct5_f32_wide(_ job: UnsafePointer<direct_tile>) { wideBody(0, 4, 5, job.pointee) }
@c @implementation
func product_direct5_bf16_wide(_ job: UnsafePointer<direct_tile>) { wideBody(1, 2, 5, job.pointee) }
@c @implementation
func product_direct5_fp8_wide(_ job: UnsafePointer<direct_tile>) { wideBody(2, 1, 5, job.pointee) }
@c @implementation
func product_direct6_f32_wide(_ job: UnsafePointer<direct_tile>) { wideBody(0, 4, 6, job.pointee) }
@c @implementation
func product_direct6_bf16_wide(_ job: UnsafePointer<direct_tile>) { wideBody(1, 2, 6, job.pointee) }
@c @implementation
func product_direct6_fp8_wide(_ job: UnsafePointer<direct_tile>) { wideBody(2, 1, 6, job.pointee) }
@c @implementation
func product_direct2_f32_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(0, 4, 2, job.pointee) }
@c @implementation
func product_direct2_bf16_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(1, 2, 2, job.pointee) }
@c @implementation
func product_direct2_fp8_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(2, 1, 2, job.pointee) }
@c @implementation
func product_direct3_f32_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(0, 4, 3, job.pointee) }
@c @implementation
func product_direct3_bf16_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(1, 2, 3, job.pointee) }
@c @implementation
func product_direct3_fp8_baseline(_ job: UnsafePointer<direct_tile>) { narrowBody(2, 1, 3, job.pointee) }

extension Kernels {
    /// One tile of 2 to 6 tokens.
    @inline(never)
    func runDirect(_ format: WeightView.Format, _ job: UnsafePointer<direct_tile>, tokens: Int) {
        switch (vectors, format, tokens) {
        case (.avx512, .float32, 2): product_direct2_f32_avx512(job)
        case (.avx512, .float32, 3): product_direct3_f32_avx512(job)
        case (.avx512, .float32, 4): product_direct4_f32_avx512(job)
        case (.avx512, .float32, 5): product_direct5_f32_avx512(job)
        case (.avx512, .float32, _): product_direct6_f32_avx512(job)
        case (.avx512, .bfloat16, 2): product_direct2_bf16_avx512(job)
        case (.avx512, .bfloat16, 3): product_direct3_bf16_avx512(job)
        case (.avx512, .bfloat16, 4): product_direct4_bf16_avx512(job)
        case (.avx512, .bfloat16, 5): product_direct5_bf16_avx512(job)
        case (.avx512, .bfloat16, _): product_direct6_bf16_avx512(job)
        case (.avx512, .float8E4M3, 2): product_direct2_fp8_avx512(job)
        case (.avx512, .float8E4M3, 3): product_direct3_fp8_avx512(job)
        case (.avx512, .float8E4M3, 4): product_direct4_fp8_avx512(job)
        case (.avx512, .float8E4M3, 5): product_direct5_fp8_avx512(job)
        case (.avx512, .float8E4M3, _): product_direct6_fp8_avx512(job)
        default: runNarrow(format, job, tokens: tokens)
        }
    }

    /// The same in parts of 2 or 3 tokens.
    private func runNarrow(_ format: WeightView.Format, _ job: UnsafePointer<direct_tile>, tokens: Int) {
        let parts = (tokens + 2) / 3
        var part = job.pointee
        for index in 0..<parts {
            let count = tileTokens(tokens, parts, index)
            switch (vectors, format, count) {
            case (.avx2, .float32, 2): product_direct2_f32_avx2(&part)
            case (.avx2, .float32, _): product_direct3_f32_avx2(&part)
            case (.avx2, .bfloat16, 2): product_direct2_bf16_avx2(&part)
            case (.avx2, .bfloat16, _): product_direct3_bf16_avx2(&part)
            case (.avx2, .float8E4M3, 2): product_direct2_fp8_avx2(&part)
            case (.avx2, .float8E4M3, _): product_direct3_fp8_avx2(&part)
            case (.baseline, .float32, 2): product_direct2_f32_baseline(&part)
            case (.baseline, .float32, _): product_direct3_f32_baseline(&part)
            case (.baseline, .bfloat16, 2): product_direct2_bf16_baseline(&part)
            case (.baseline, .bfloat16, _): product_direct3_bf16_baseline(&part)
            case (.baseline, .float8E4M3, 2): product_direct2_fp8_baseline(&part)
            default: product_direct3_fp8_baseline(&part)
            }
            part.x += count * 16
            part.y += count * part.y_stride
            part.streams = 3
        }
    }
}
