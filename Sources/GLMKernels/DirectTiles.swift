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

    /// 8 weights of each row as exact floats, F32 or BF16, `offset` bytes on.
    @inline(__always)
    func halves(_ format: Int32, _ offset: Int) -> FourHalves {
        (
            f32x8_load_weights(a + offset, format), f32x8_load_weights(b + offset, format),
            f32x8_load_weights(c + offset, format), f32x8_load_weights(d + offset, format)
        )
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

/// The same as `wideBody` with 2 or 3 tokens and a factor of 1: the lanes from `half` on of four rows.
@inline(__always)
private func halfBody(
    _ format: Int32, _ size: Int, _ tokens: Int, _ job: direct_tile, _ row: Int, _ half: Int
) -> HalfTile {
    var w = Quad(job, row)
    let ahead = job.ahead &+ (row &- job.first >= job.border ? job.jump : 0)
    var x = job.x + half
    var tile = HalfTile()
    var k = 0
    while k < job.columns {
        if half == 0 { w.prefetchAfter(ahead, job.streams, job.cache) }
        if size == 1 {
            let a = halfCodes(w.a, half), b = halfCodes(w.b, half)
            let c = halfCodes(w.c, half), d = halfCodes(w.d, half)
            tile.add((a.0, b.0, c.0, d.0), x, 16, tokens)
            tile.add((a.1, b.1, c.1, d.1), x + tokens &* 16, 16, tokens)
            tile.add((a.2, b.2, c.2, d.2), x + tokens &* 32, 16, tokens)
            tile.add((a.3, b.3, c.3, d.3), x + tokens &* 48, 16, tokens)
        } else {
            tile.add(w.halves(format, half &* size), x, 16, tokens)
            // Half a line of BF16 may be the last.
            if size == 2, k &+ 16 < job.columns {
                tile.add(w.halves(format, half &* size &+ 32), x + tokens &* 16, 16, tokens)
            }
        }
        w.advance(64)
        x += tokens &* 64 / size
        k &+= 64 / size
    }
    return tile
}

/// Half the lanes of `codes`, from 0 or 8 on.
@inline(__always)
private func halfCodes(_ p: UnsafeRawPointer, _ half: Int) -> FourHalves {
    var w: FourHalves = (f32x8_all(0), f32x8_all(0), f32x8_all(0), f32x8_all(0))
    f32x8_load_32_codes(p + half &* 4, &w)
    return w
}

@inline(__always)
private func narrowBody(_ format: Int32, _ size: Int, _ tokens: Int, _ job: direct_tile) {
    var row = job.first
    let end = job.first &+ job.count
    while row < end {
        inHalves { halfBody(format, size, tokens, job, row, $0) }
            .scatter(job.y, job.y_stride, row, step: job.step, end: job.rows, tokens)
        row &+= 1
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
    /// One tile of 2 to `tileWidth` tokens.
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
        case (.avx2, .float32, 2): product_direct2_f32_avx2(job)
        case (.avx2, .float32, _): product_direct3_f32_avx2(job)
        case (.avx2, .bfloat16, 2): product_direct2_bf16_avx2(job)
        case (.avx2, .bfloat16, _): product_direct3_bf16_avx2(job)
        case (.avx2, .float8E4M3, 2): product_direct2_fp8_avx2(job)
        case (.avx2, .float8E4M3, _): product_direct3_fp8_avx2(job)
        case (.baseline, .float32, 2): product_direct2_f32_baseline(job)
        case (.baseline, .float32, _): product_direct3_f32_baseline(job)
        case (.baseline, .bfloat16, 2): product_direct2_bf16_baseline(job)
        case (.baseline, .bfloat16, _): product_direct3_bf16_baseline(job)
        case (.baseline, .float8E4M3, 2): product_direct2_fp8_baseline(job)
        case (.baseline, .float8E4M3, _): product_direct3_fp8_baseline(job)
        }
    }
}
