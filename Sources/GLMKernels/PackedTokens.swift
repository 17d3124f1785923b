import CVector

/// Rows of activations rearranged for the tiles: in blocks of tokens, each block tile by tile as [tile][group
/// of 16][token][16], the end filled with zeros. Made once for all rows of weights it meets,
/// for tiles of the `Kernels` that packed it.
struct PackedTokens: @unchecked Sendable {
    /// Tokens of one block: what is in use of it must stay in the second-level cache beside the partial sums.
    static let blockTokens = 48

    let base: UnsafeMutablePointer<Float>
    let tokens: Int
    let columns: Int
    /// Whether columns lie as FP8 weights meet them; see `CodeOrder`.
    let isForCodes: Bool

    /// The place for `tokens` rows as they meet `weight`.
    init(base: UnsafeMutablePointer<Float>, tokens: Int, for weight: WeightView) {
        self.base = base
        self.tokens = tokens
        columns = weight.columns
        isForCodes = weight.format == .float8E4M3
    }

    /// Groups of 16 columns.
    var groups: Int { PackedTokens.groups(columns, isForCodes) }

    private static func groups(_ columns: Int, _ isForCodes: Bool) -> Int {
        isForCodes ? CodeOrder.groups(columns) : (columns + 15) / 16
    }

    /// How many floats `tokens` rows take that meet `weight`.
    static func floats(tokens: Int, for weight: WeightView) -> Int {
        tokens * groups(weight.columns, weight.format == .float8E4M3) * 16
    }

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
            let from = x + token * stride, to = packed.address(token: token)
            if packed.isForCodes {
                packCodes(from, stride, count, packed.columns, to, count * 16)
            } else {
                packTokens(from, stride, count, packed.columns, to, count * 16)
            }
            token += count
        }
    }

    /// Groups `groups` of a block of tokens times `lift` and the scales of weight row `row`; they come to lie as a
    /// block of `groups.count` groups at `target`.
    /// - Precondition: the groups are whole chunks of 64 columns, or reach to the last.
    func scale(
        _ packed: PackedTokens, _ block: Range<Int>, groups: Range<Int>, row: Int, _ scales: BlockScales,
        lift: Float, into target: UnsafeMutablePointer<Float>
    ) {
        let column = groups.lowerBound * 16
        let tiles = (block.count + tileWidth - 1) / tileWidth
        var token = 0
        for tile in 0..<tiles {
            let count = tileTokens(block.count, tiles, tile)
            var job = code_scaling(
                from: packed.address(token: block.lowerBound + token) + column * count,
                to: target + token * groups.count * 16, lift: lift, chunks: groups.count / 4, tokens: count,
                columns: packed.columns - column, scales: scales.address(row: row, column: column),
                block: scales.blockColumns,
                phase: (scales.columnOrigin + column) % scales.blockColumns)
            scaleCodes(&job)
            token += count
        }
    }
}
