import CVector

// Activations as BF16 codes, packed for matrix registers.

/// A group of 32 columns of one token, or as many as are `left`, and what its codes leave of it.
private struct TokenGroup {
    var low, high: f32x16

    @inline(__always)
    init(_ x: UnsafePointer<Float>, _ left: Int) {
        low = left >= 16 ? f32x16_load(x) : f32x16_load_first(x, left)
        high =
            left >= 32
            ? f32x16_load(x + 16) : left > 16 ? f32x16_load_first(x + 16, left &- 16) : f32x16_all(0)
    }

    @inline(__always)
    var rounded: i32x16 { bf16x32_round(low, high) }

    /// The codes of the leading bits, which are taken away.
    @inline(__always)
    mutating func cut() -> i32x16 {
        let codes = bf16x32_cut(low, high)
        low = f32x16_beyond_bf16(low)
        high = f32x16_beyond_bf16(high)
        return codes
    }
}

/// `parts` is a literal at every use.
@inline(__always)
private func pack(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ room: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer, parts: Int
) {
    let partBytes = 64 &* room
    var to = packed
    var k = 0
    while k < count {
        // Token by token, then pair by pair. What lies beyond the tokens is multiplied, but never read.
        var token = 0
        while token < tokens {
            var group = TokenGroup(x + (token &* stride &+ k), count &- k)
            let line = to + token &* 64
            i32x16_store(line, parts == 1 ? group.rounded : group.cut())
            if parts == 3 {
                i32x16_store(line + partBytes, group.cut())
                i32x16_store(line + 2 &* partBytes, group.cut())
            }
            token &+= 1
        }
        var part = 0
        while part < parts {
            if room == 16 { transpose_16x16(to) } else if room == 8 { transpose_8x16(to) }
            to += partBytes
            part &+= 1
        }
        k &+= 32
    }
}

@c @implementation
func matrix_pack_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ room: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer
) { pack(x, stride, tokens, room, count, packed, parts: 1) }
@c @implementation
func matrix_pack_exact_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ room: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer
) { pack(x, stride, tokens, room, count, packed, parts: 3) }

/// `room` is a literal at every use: 1 or 4.
@inline(__always)
private func packBeside(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, room: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer
) {
    var to = packed
    var k = 0
    while k < count {
        // What lies beyond the tokens and parts is multiplied, but never read.
        var token = 0
        while token < tokens {
            var group = TokenGroup(x + (token &* stride &+ k), count &- k)
            let line = to + token &* 64
            i32x16_store(line, group.cut())
            i32x16_store(line + room &* 64, group.cut())
            i32x16_store(line + room &* 128, group.cut())
            token &+= 1
        }
        if room == 1 { transpose_4x16(to) } else { transpose_16x16(to) }
        to += room &* 256
        k &+= 32
    }
}

@c @implementation
func matrix_pack_beside_1_tiles(
    _ x: UnsafePointer<Float>, _ count: Int, _ packed: UnsafeMutableRawPointer
) { packBeside(x, 0, 1, room: 1, count, packed) }
@c @implementation
func matrix_pack_beside_4_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int, _ packed: UnsafeMutableRawPointer
) { packBeside(x, stride, tokens, room: 4, count, packed) }

// The thunks are called from this file alone: they take in the loops of their own file only.
extension Kernels {
    /// Packs one tile of `x`, whose rows lie `stride` floats apart.
    @inline(never)
    func pack(_ x: UnsafePointer<Float>, stride: Int, tile index: Int, into packed: MatrixTokens) {
        let shape = packed.shape, tile = shape.tile(index)
        let from = x + tile.lowerBound * stride, to = packed.address(index)
        if shape.areBeside {
            if shape.room == 1 {
                matrix_pack_beside_1_amx(from, shape.columns, to)
            } else {
                matrix_pack_beside_4_amx(from, stride, tile.count, shape.columns, to)
            }
        } else if shape.isExact {
            matrix_pack_exact_amx(from, stride, tile.count, shape.room, shape.columns, to)
        } else {
            matrix_pack_amx(from, stride, tile.count, shape.room, shape.columns, to)
        }
    }
}
