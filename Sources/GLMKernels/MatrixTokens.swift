/// Rows of activations as BF16 codes for matrix registers: tile by tile as [group of 32][pair][token][2], the last
/// group filled with zeros.
struct MatrixTokens: @unchecked Sendable {
    /// The most tokens of one tile.
    static let tileWidth = 16

    let base: UnsafeMutableRawPointer
    let tokens: Int
    let columns: Int

    /// Groups of 32 columns.
    var groups: Int { (columns + 31) / 32 }
    /// Tiles of 16 tokens; the last one has the rest.
    var tiles: Int { (tokens + MatrixTokens.tileWidth - 1) / MatrixTokens.tileWidth }

    /// The tokens of tile `index`, none behind the last tile.
    func tile(_ index: Int) -> Range<Int> {
        let start = min(tokens, index * MatrixTokens.tileWidth)
        return start..<min(tokens, start + MatrixTokens.tileWidth)
    }

    /// First code of a tile.
    func address(_ tile: Range<Int>) -> UnsafeMutableRawPointer { base + tile.lowerBound * groups * 64 }

    /// Floats of memory that `tokens` rows of `columns` take, with what packing writes beyond.
    static func floats(tokens: Int, columns: Int) -> Int { tokens * ((columns + 31) / 32) * 16 + 16 }
}
