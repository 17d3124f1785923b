import CVector

@c @implementation
func pack_tokens_baseline(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int,
    _ packed: UnsafeMutablePointer<Float>, _ groupStride: Int
) {
    let whole = count & ~15
    var token = 0
    while token < tokens {
        let from = x + token &* stride
        var to = packed + token &* 16
        var k = 0
        while k < whole {
            f32x16_store(to, f32x16_load(from + k))
            to += groupStride
            k &+= 16
        }
        if whole < count { f32x16_store(to, f32x16_load_first(from + whole, count &- whole)) }
        token &+= 1
    }
}

extension Kernels {
    /// `tokens` rows of `count` floats in groups of 16: group g of token t lies at `packed[g * groupStride +
    /// t * 16]`; the last group is filled with zeros.
    @inline(never)
    func packTokens(
        _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int,
        _ packed: UnsafeMutablePointer<Float>, _ groupStride: Int
    ) {
        switch vectors {
        case .avx512: pack_tokens_avx512(x, stride, tokens, count, packed, groupStride)
        case .avx2: pack_tokens_avx2(x, stride, tokens, count, packed, groupStride)
        case .baseline: pack_tokens_baseline(x, stride, tokens, count, packed, groupStride)
        }
    }
}
