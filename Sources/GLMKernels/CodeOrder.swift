import CVector

/// How FP8 weights meet activations: a code enters its product as it is, and the scale of its block enters the
/// activation, so that 64 codes become floats in nine operations and no weight is multiplied twice.
///
/// Along k, chunks of 64 columns are taken in four groups: element 4 i + j of a chunk is lane i of group j,
/// which is where the bytes of a 32-bit lane lie anyway. The last chunk is filled with zeros.
///
/// A code's bits, shifted into place, are the float value · 2⁻¹²⁰, and the activation is lifted by 2⁹⁶, so
/// sums lack a factor of 2²⁴. Powers of two are exact here, up to products below 2⁻¹⁰².
///
/// The codes below 2⁻⁶ are subnormal floats then: one weight in ten thousand, which on some processors costs as much as a
/// hundred others, for every token. Where weights are used several times they are multiplied by 2²⁴ first, and the
/// activation is lifted that much less: the same products, of other factors.
enum CodeOrder {
    /// What a scale is multiplied by before it enters an activation.
    static let lift: Float = 0x1p96
    /// The same where weights are multiplied by `normalFactor`.
    static let normalLift: Float = 0x1p72
    /// Makes every code a normal float.
    static let normalFactor: Float = 0x1p24
    /// From this multiplier on no activation, however small, notices which lift it gets.
    static let leastNormalScale: Float = 0x1p-40
    /// What is left for the sum.
    static let rest: Float = 0x1p24

    /// Groups of 16 that `columns` take.
    static func groups(_ columns: Int) -> Int { (columns + 63) / 64 * 4 }
}

/// 64 codes as floats times 2⁻¹²⁰, in code order.
@inline(__always)
func codes(_ p: UnsafeRawPointer) -> FourVectors {
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    f32x16_load_64_codes(p, &w)
    return w
}

/// The first 1 to 63 of them, the rest zero.
@inline(__always)
func codes(_ p: UnsafeRawPointer, first count: Int) -> FourVectors {
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    f32x16_load_codes_first(p, count, &w)
    return w
}

@c @implementation
func pack_codes_baseline(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int,
    _ packed: UnsafeMutablePointer<Float>, _ groupStride: Int
) {
    let whole = count & ~63
    var token = 0
    while token < tokens {
        let from = x + token &* stride
        var to = packed + token &* 16
        var k = 0
        while k < whole {
            f32x16_deal_64(from + k, to, groupStride &* 4)
            to += groupStride &* 4
            k &+= 64
        }
        if whole < count {
            var last = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
            let rest = count &- whole
            last.0 = rest >= 16 ? f32x16_load(from + whole) : f32x16_load_first(from + whole, rest)
            if rest > 16 {
                last.1 =
                    rest >= 32
                    ? f32x16_load(from + whole + 16) : f32x16_load_first(from + whole + 16, rest &- 16)
            }
            if rest > 32 {
                last.2 =
                    rest >= 48
                    ? f32x16_load(from + whole + 32) : f32x16_load_first(from + whole + 32, rest &- 32)
            }
            if rest > 48 { last.3 = f32x16_load_first(from + whole + 48, rest &- 48) }
            f32x16_deal_64(&last, to, groupStride &* 4)
        }
        token &+= 1
    }
}

@c @implementation
func scale_codes_baseline(_ job: UnsafePointer<code_scaling>) {
    let job = job.pointee
    let floats = job.tokens &* 64
    // Columns that are left of the block at hand, and its scale.
    var left = job.block &- job.phase
    var scale = job.scales
    var chunk = 0
    while chunk < job.chunks {
        var run = 1
        if left >= 64 || left >= job.columns &- chunk &* 64 {
            run = min(max(1, left / 64), job.chunks &- chunk)
            multiply(
                job.from + chunk &* floats, f32_load(scale) * job.lift, run &* floats,
                job.to + chunk &* floats)
        } else {
            scaleMixedChunk(job, chunk)
        }
        chunk &+= run
        left &-= run &* 64
        while left <= 0 {
            left &+= job.block
            scale += 4
        }
    }
}

/// y = factor · x, `count` floats: whole groups of 16; y may be x.
@inline(__always)
private func multiply(
    _ x: UnsafePointer<Float>, _ factor: Float, _ count: Int, _ y: UnsafeMutablePointer<Float>
) {
    let all = f32x16_all(factor)
    var i = 0
    while i < count {
        f32x16_store(y + i, f32x16_multiply(f32x16_load(x + i), all))
        i &+= 16
    }
}

/// A chunk in which a block ends: element by element.
@inline(__always)
private func scaleMixedChunk(_ job: code_scaling, _ chunk: Int) {
    var i = 0
    while i < 64 {
        let column = min(chunk &* 64 &+ i, job.columns &- 1)
        let scale = f32_load(job.scales + (job.phase &+ column) / job.block &* 4) * job.lift
        var place = (chunk &* 4 &+ i & 3) &* job.tokens &* 16 &+ i / 4
        let end = place &+ job.tokens &* 16
        while place < end {
            job.to[place] = job.from[place] * scale
            place &+= 16
        }
        i &+= 1
    }
}

@c @implementation
func decode_codes_baseline(
    _ weights: UnsafeRawPointer, _ count: Int, _ factor: Float, _ panel: UnsafeMutablePointer<Float>,
    _ stride: Int
) {
    let all = f32x16_all(factor)
    var to = panel
    var k = 0
    while k < count {
        let w = k &+ 64 <= count ? codes(weights + k) : codes(weights + k, first: count &- k)
        prefetch(weights + (k &+ 2048))
        f32x16_store(to, f32x16_multiply(w.0, all))
        f32x16_store(to + stride, f32x16_multiply(w.1, all))
        f32x16_store(to + 2 &* stride, f32x16_multiply(w.2, all))
        f32x16_store(to + 3 &* stride, f32x16_multiply(w.3, all))
        to += 4 &* stride
        k &+= 64
    }
}

@c @implementation
func scale_row_baseline(
    _ x: UnsafePointer<Float>, _ factor: Float, _ count: Int, _ y: UnsafeMutablePointer<Float>
) {
    let whole = count & ~15
    multiply(x, factor, whole, y)
    var i = whole
    while i < count {
        y[i] = x[i] * factor
        i &+= 1
    }
}

extension Kernels {
    /// `tokens` rows of `count` floats in code order: group g of token t lies at `packed[g * groupStride + t *
    /// 16]`.
    @inline(never)
    func packCodes(
        _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int,
        _ packed: UnsafeMutablePointer<Float>, _ groupStride: Int
    ) {
        switch vectors {
        case .avx512: pack_codes_avx512(x, stride, tokens, count, packed, groupStride)
        case .avx2: pack_codes_avx2(x, stride, tokens, count, packed, groupStride)
        case .baseline: pack_codes_baseline(x, stride, tokens, count, packed, groupStride)
        }
    }

    /// Tokens in code order times the scales of their columns.
    @inline(never)
    func scaleCodes(_ job: UnsafePointer<code_scaling>) {
        switch vectors {
        case .avx512: scale_codes_avx512(job)
        case .avx2: scale_codes_avx2(job)
        case .baseline: scale_codes_baseline(job)
        }
    }

    /// `count` codes of one row as floats times `factor` in code order, groups `stride` floats apart, whole chunks.
    @inline(never)
    func decodeCodes(
        _ source: UnsafeRawPointer, _ count: Int, _ factor: Float, _ panel: UnsafeMutablePointer<Float>,
        _ stride: Int
    ) {
        switch vectors {
        case .avx512: decode_codes_avx512(source, count, factor, panel, stride)
        case .avx2: decode_codes_avx2(source, count, factor, panel, stride)
        case .baseline: decode_codes_baseline(source, count, factor, panel, stride)
        }
    }

    /// y = factor · x; y may be x.
    @inline(never)
    func scaleRow(
        _ x: UnsafePointer<Float>, _ factor: Float, _ count: Int, _ y: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: scale_row_avx512(x, factor, count, y)
        case .avx2: scale_row_avx2(x, factor, count, y)
        case .baseline: scale_row_baseline(x, factor, count, y)
        }
    }
}
