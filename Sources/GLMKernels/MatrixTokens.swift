/// Rows of activations as BF16 codes for matrix registers: tile by tile as [group of 32][part][pair][token][2], the last group
/// filled with zeros. A tile has room for 16 tokens, unless there is only one.
///
/// An activation is one code, rounded; or three whose sum it is exactly, each with the eight leading bits that those
/// before it leave.
struct MatrixTokens: @unchecked Sendable {
    /// The most tokens of one tile.
    static let tileWidth = 16

    let base: UnsafeMutableRawPointer
    let tokens: Int
    let columns: Int
    let isExact: Bool

    /// Codes of one activation.
    private static func parts(_ isExact: Bool) -> Int { isExact ? 3 : 1 }

    /// Groups of 32 columns.
    var groups: Int { (columns + 31) / 32 }
    /// Tiles of 16 tokens; the last one has the rest.
    var tiles: Int { MatrixTokens.tiles(tokens) }
    static func tiles(_ tokens: Int) -> Int { (tokens + tileWidth - 1) / tileWidth }

    /// Tokens that a tile has room for: whole lines of the cache, unless there is one token.
    var tileTokens: Int { MatrixTokens.tileTokens(tokens) }
    private static func tileTokens(_ tokens: Int) -> Int { tokens == 1 ? 1 : tileWidth }

    /// Bytes of a tile.
    var tileBytes: Int { groups * tileTokens * MatrixTokens.parts(isExact) * 64 }

    /// The tokens of tile `index`, none behind the last tile.
    func tile(_ index: Int) -> Range<Int> {
        let start = min(tokens, index * MatrixTokens.tileWidth)
        return start..<min(tokens, start + MatrixTokens.tileWidth)
    }

    /// First code of tile `index`.
    func address(_ index: Int) -> UnsafeMutableRawPointer { base + index * tileBytes }

    /// Floats of memory that `tokens` rows of `columns` take.
    static func floats(tokens: Int, columns: Int, isExact: Bool) -> Int {
        tiles(tokens) * ((columns + 31) / 32) * tileTokens(tokens) * parts(isExact) * 16
    }
}
