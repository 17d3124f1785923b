/// Rows of activations as BF16 codes for matrix registers.
struct MatrixTokens: @unchecked Sendable {
    /// The most tokens of one tile.
    static let tileWidth = 16
    /// The most exact tokens whose parts lie side by side.
    private static let few = 4

    /// How they lie, the last group of columns filled with zeros.
    ///
    /// An activation is one code, rounded; or three parts whose sum it is exactly, each with the eight leading bits that those
    /// before it leave. They lie tile by tile as [group of 32][part][pair][token][2]; few exact tokens, all in one tile, as
    /// [group of 32][pair][part][token][2], with room for a fourth part that is never read.
    struct Shape {
        let tokens: Int
        let columns: Int
        let isExact: Bool

        /// Whether the parts of a token lie side by side, so that one product of tiles takes them all.
        var areBeside: Bool { isExact && tokens <= few }
        /// Tokens that a tile has room for: one, few, half a tile, or whole lines of the cache.
        var room: Int {
            tokens == 1 ? 1 : areBeside ? few : tokens <= tileWidth / 2 ? tileWidth / 2 : tileWidth
        }
        /// Bytes from a pair of columns to the next.
        var pairBytes: Int { areBeside ? room * 16 : room * 4 }

        /// Groups of 32 columns.
        var groups: Int { (columns + 31) / 32 }
        /// Tiles of 16 tokens; the last one has the rest.
        var tiles: Int { (tokens + tileWidth - 1) / tileWidth }
        /// Bytes of a tile.
        var tileBytes: Int { groups * 16 * pairBytes * (isExact && !areBeside ? 3 : 1) }
        /// Floats of memory that all of them take.
        var floats: Int { tiles * tileBytes / 4 }

        /// The tokens of tile `index`, none behind the last tile.
        func tile(_ index: Int) -> Range<Int> {
            let start = min(tokens, index * tileWidth)
            return start..<min(tokens, start + tileWidth)
        }
    }

    let base: UnsafeMutableRawPointer
    let shape: Shape

    /// First code of tile `index`.
    func address(_ index: Int) -> UnsafeMutableRawPointer { base + index * shape.tileBytes }
}
