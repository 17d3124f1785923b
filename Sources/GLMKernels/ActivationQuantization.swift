import CVector

// Activations as E4M3 codes: a multiplier for each token and group of columns.

/// The largest group without a nonzero element still has this magnitude.
///
/// Source: specification §7.3; SGLang's group quantiser.
let smallestActivation: Float = 1e-10

/// s = max(amax, 1e-10) / 448 and e4m3(x / s), group by group.
@c @implementation
func quantize_activations_baseline(
    _ x: UnsafePointer<Float>, _ count: Int, _ block: Int, _ codes: UnsafeMutablePointer<Float>,
    _ stride: Int, _ scales: UnsafeMutablePointer<Float>, _ scaleStride: Int
) {
    var start = 0
    var to = codes
    var scale = scales
    while start < count {
        let end = min(count, start &+ block)
        let whole = start &+ (end &- start) & ~15
        var largest = f32x16_all(smallestActivation)
        var k = start
        while k < whole {
            largest = f32x16_larger(f32x16_absolute(f32x16_load(x + k)), largest)
            k &+= 16
        }
        if k < end { largest = f32x16_larger(f32x16_absolute(f32x16_load_first(x + k, end &- k)), largest) }
        scale.pointee = f32x16_largest(largest) / Float8E4M3.greatestFiniteMagnitude
        let divisor = f32x16_all(scale.pointee)
        k = start
        while k < whole {
            f32x16_store(to, f32x16_round_e4m3(f32x16_divide(f32x16_load(x + k), divisor)))
            to += stride
            k &+= 16
        }
        if k < end {
            let rest = f32x16_load_first(x + k, end &- k)
            f32x16_store(to, f32x16_round_e4m3(f32x16_divide(rest, divisor)))
        }
        start = end
        scale += scaleStride
    }
}

extension Kernels {
    /// One row of activations in E4M3: s = max(largest magnitude, 1e-10) / 448 and the code e4m3(x / s) for
    /// each group of `block` columns, the last of which may be short.
    ///
    /// A NaN stays one; an infinity makes NaN of itself and zero of its group.
    /// - Parameters:
    ///   - codes: the codes' values, in groups of 16 that lie `stride` floats apart (16 means contiguous),
    ///     the last filled with zeros.
    ///   - scales: ⌈count / block⌉ multipliers, `scaleStride` apart.
    /// - Precondition: `block` is a positive multiple of 16.
    /// Source: specification §7.3.
    @inline(never)
    public func quantizeActivations(
        _ x: UnsafePointer<Float>, count: Int, block: Int, codes: UnsafeMutablePointer<Float>, stride: Int,
        scales: UnsafeMutablePointer<Float>, scaleStride: Int
    ) {
        precondition(block > 0 && block % 16 == 0, "groups of \(block) activations")
        switch vectors {
        case .avx512: quantize_activations_avx512(x, count, block, codes, stride, scales, scaleStride)
        case .avx2: quantize_activations_avx2(x, count, block, codes, stride, scales, scaleStride)
        case .baseline: quantize_activations_baseline(x, count, block, codes, stride, scales, scaleStride)
        }
    }
}
