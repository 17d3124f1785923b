/// Rows of activations as BF16 codes for the pair tiles: tile by tile as [group of 32][token][32], the last
/// group filled with zeros.
struct BFloat16Tokens: @unchecked Sendable {
    /// The most tokens of one tile: 24 sums of the 32 registers of AVX-512.
    static let tileWidth = 6

    let base: UnsafeMutableRawPointer
    let tokens: Int
    let columns: Int

    /// Groups of 32 columns.
    var groups: Int { (columns + 31) / 32 }
    /// Tiles of up to six tokens.
    var tiles: Int { (tokens + BFloat16Tokens.tileWidth - 1) / BFloat16Tokens.tileWidth }

    /// The tokens of tile `index`; tiles are as even as can be.
    func tile(_ index: Int) -> Range<Int> {
        let (size, more) = tokens.quotientAndRemainder(dividingBy: tiles)
        let start = index * size + min(index, more)
        return start..<start + size + (index < more ? 1 : 0)
    }

    /// First code of group `group` of the tile that holds `tile`.
    func address(_ tile: Range<Int>, group: Int) -> UnsafeMutableRawPointer {
        base + (tile.lowerBound * groups + tile.count * group) * 64
    }

    /// Floats of memory that `tokens` rows of `columns` take.
    static func floats(tokens: Int, columns: Int) -> Int { tokens * ((columns + 31) / 32) * 16 }
}

extension Kernels {
    /// Packs one tile of `x`, whose rows lie `stride` floats apart.
    func pack(_ x: UnsafePointer<Float>, stride: Int, tile: Range<Int>, into packed: BFloat16Tokens) {
        packBFloat16(
            x + tile.lowerBound * stride, stride: stride, tokens: tile.count, count: packed.columns,
            packed: packed.address(tile, group: 0), groupStride: tile.count * 64)
    }
}
