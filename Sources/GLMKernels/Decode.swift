import CVector

// Stored weights of one row as floats.

/// `count` weights of a row as floats in groups of 16, `stride` floats apart, the last group filled with
/// zeros.
@inline(__always)
private func decodeBody(
    _ format: Int32, _ size: Int, _ source: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?,
    _ block: Int, _ phase: Int, _ panel: UnsafeMutablePointer<Float>, _ stride: Int
) {
    let whole = count & ~15
    var k = 0
    var to = panel
    var cursor = ScaleCursor(format == 2 ? scales : nil, block: block, phase: phase)
    while k < whole {
        let scale = cursor.scale
        let end = cursor.end(k, whole)
        while k < end {
            f32x16_store(to, weights(format, source + k &* size, scale))
            prefetch(source + k &* size + 2048)
            k &+= 16
            to += stride
        }
    }
    if whole < count {
        f32x16_store(to, tailWeights(format, source + whole &* size, count &- whole, cursor.scale))
    }
}

@c @implementation
func decode_f32_baseline(
    _ weights: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?, _ block: Int, _ phase: Int,
    _ panel: UnsafeMutablePointer<Float>, _ stride: Int
) { decodeBody(0, 4, weights, count, scales, block, phase, panel, stride) }
@c @implementation
func decode_bf16_baseline(
    _ weights: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?, _ block: Int, _ phase: Int,
    _ panel: UnsafeMutablePointer<Float>, _ stride: Int
) { decodeBody(1, 2, weights, count, scales, block, phase, panel, stride) }
@c @implementation
func decode_fp8_baseline(
    _ weights: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?, _ block: Int, _ phase: Int,
    _ panel: UnsafeMutablePointer<Float>, _ stride: Int
) { decodeBody(2, 1, weights, count, scales, block, phase, panel, stride) }

extension Kernels {
    @inline(never)
    func decode(
        _ format: WeightView.Format, _ source: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?,
        _ block: Int, _ phase: Int, _ panel: UnsafeMutablePointer<Float>, _ stride: Int
    ) {
        switch (vectors, format) {
        case (.avx512, .float32): decode_f32_avx512(source, count, scales, block, phase, panel, stride)
        case (.avx512, .bfloat16): decode_bf16_avx512(source, count, scales, block, phase, panel, stride)
        case (.avx512, .float8E4M3): decode_fp8_avx512(source, count, scales, block, phase, panel, stride)
        case (.avx2, .float32): decode_f32_avx2(source, count, scales, block, phase, panel, stride)
        case (.avx2, .bfloat16): decode_bf16_avx2(source, count, scales, block, phase, panel, stride)
        case (.avx2, .float8E4M3): decode_fp8_avx2(source, count, scales, block, phase, panel, stride)
        case (.baseline, .float32): decode_f32_baseline(source, count, scales, block, phase, panel, stride)
        case (.baseline, .bfloat16): decode_bf16_baseline(source, count, scales, block, phase, panel, stride)
        case (.baseline, .float8E4M3): decode_fp8_baseline(source, count, scales, block, phase, panel, stride)
        }
    }
}
