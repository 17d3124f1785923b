import CVector

// Activations rounded to BF16, in place or as codes.

@c @implementation
func round_bf16_baseline(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(x + i, f32x16_round_bf16(f32x16_load(x + i)))
        i &+= 16
    }
    if whole < count {
        let rest = f32x16_load_first(x + whole, count &- whole)
        f32x16_store_first(x + whole, f32x16_round_bf16(rest), count &- whole)
    }
}

@c @implementation
func pack_bf16_baseline(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer, _ groupStride: Int
) {
    let whole = count & ~31
    var token = 0
    while token < tokens {
        let from = x + token &* stride
        var to = packed + token &* 64
        var k = 0
        while k < whole {
            bf16x16_store(to, f32x16_load(from + k))
            bf16x16_store(to + 32, f32x16_load(from + (k &+ 16)))
            to += groupStride
            k &+= 32
        }
        let rest = count &- whole
        if rest > 0 {
            let first = rest >= 16 ? f32x16_load(from + k) : f32x16_load_first(from + k, rest)
            bf16x16_store(to, first)
            bf16x16_store(
                to + 32, rest > 16 ? f32x16_load_first(from + (k &+ 16), rest &- 16) : f32x16_all(0))
        }
        token &+= 1
    }
}

extension Kernels {
    /// x rounded to the nearest BF16, ties to even, in place; overflow gives infinity, NaN stays NaN.
    @inline(never)
    public func roundToBFloat16(_ x: UnsafeMutablePointer<Float>, count: Int) {
        switch vectors {
        case .avx512: round_bf16_avx512(x, count)
        case .avx2: round_bf16_avx2(x, count)
        case .baseline: round_bf16_baseline(x, count)
        }
    }

    /// `tokens` rows of `count` floats as BF16 codes in groups of 32: group g of token t lies at `packed` + g ·
    /// `groupStride` + t · 64 bytes; the last group is filled with zeros.
    @inline(never)
    func packBFloat16(
        _ x: UnsafePointer<Float>, stride: Int, tokens: Int, count: Int, packed: UnsafeMutableRawPointer,
        groupStride: Int
    ) {
        switch vectors {
        case .avx512: pack_bf16_avx512(x, stride, tokens, count, packed, groupStride)
        case .avx2: pack_bf16_avx2(x, stride, tokens, count, packed, groupStride)
        case .baseline: pack_bf16_baseline(x, stride, tokens, count, packed, groupStride)
        }
    }
}
