import CVector

/// Rows of activations rearranged for the tiles: in blocks of tokens, each block tile by tile as [tile][group
/// of 16][token][16], the last group filled with zeros. Made once for all rows of weights it meets.
struct PackedTokens: @unchecked Sendable {
    /// Tokens of one block: what is in use of it must stay in the second-level cache beside the partial sums.
    private static let blockTokens = 48

    let base: UnsafeMutablePointer<Float>
    let tokens: Int
    let columns: Int

    /// Groups of 16 columns.
    var groups: Int { (columns + 15) / 16 }

    /// How many floats `tokens` rows of `columns` take.
    static func floats(tokens: Int, columns: Int) -> Int { tokens * ((columns + 15) / 16) * 16 }

    /// How many blocks `tokens` make.
    static func blocks(_ tokens: Int) -> Int { (tokens + blockTokens - 1) / blockTokens }

    var blocks: Int { PackedTokens.blocks(tokens) }

    /// The tokens of block `index`; blocks are as even as can be.
    func block(_ index: Int) -> Range<Int> {
        let start = tokens / blocks * index + min(index, tokens % blocks)
        return start..<start + tokens / blocks + (index < tokens % blocks ? 1 : 0)
    }

    /// First float of the block that begins at `token`.
    func address(token: Int) -> UnsafeMutablePointer<Float> { base + token * groups * 16 }
}

extension Kernels {
    /// Packs one block of `x`, whose rows lie `stride` floats apart.
    func pack(_ x: UnsafePointer<Float>, stride: Int, block: Range<Int>, into packed: PackedTokens) {
        let tiles = (block.count + tileWidth - 1) / tileWidth
        var token = block.lowerBound
        for tile in 0..<tiles {
            let count = tileTokens(block.count, tiles, tile)
            packTokens(
                x + token * stride, stride, count, packed.columns, packed.address(token: token), count * 16)
            token += count
        }
    }
}
