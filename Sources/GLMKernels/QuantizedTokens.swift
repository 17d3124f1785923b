/// Rows of activations as E4M3 codes for the scaled tiles: tile by tile as [group of 16][token][16], and their
/// multipliers tile by tile as [block][token].
struct QuantizedTokens: @unchecked Sendable {
    let codes: UnsafeMutablePointer<Float>
    let scales: UnsafeMutablePointer<Float>
    let tokens: Int
    let columns: Int
    /// Columns that share a multiplier.
    let block: Int

    /// Groups of 16 columns.
    var groups: Int { (columns + 15) / 16 }
    /// Groups of `block` columns.
    var blocks: Int { (columns + block - 1) / block }
    /// Tiles of up to three tokens.
    var tiles: Int { (tokens + scaledTileWidth - 1) / scaledTileWidth }

    /// The tokens of tile `index`.
    func tile(_ index: Int) -> Range<Int> {
        index * scaledTileWidth..<min(tokens, (index + 1) * scaledTileWidth)
    }

    /// Floats that codes and multipliers take together.
    static func floats(tokens: Int, columns: Int, block: Int) -> Int {
        let codes = tokens * ((columns + 15) / 16) * 16
        return codes + (tokens * ((columns + block - 1) / block) + 15) / 16 * 16
    }

    /// A place in `memory`, which has room for `floats(tokens:columns:block:)`.
    init(at memory: UnsafeMutablePointer<Float>, tokens: Int, columns: Int, block: Int) {
        codes = memory
        scales = memory + tokens * ((columns + 15) / 16) * 16
        self.tokens = tokens
        self.columns = columns
        self.block = block
    }
}

extension Kernels {
    /// Quantises one tile of the rows of `x`, which lie `stride` floats apart.
    func quantize(_ x: UnsafePointer<Float>, stride: Int, tile: Range<Int>, into target: QuantizedTokens) {
        let codes = target.codes + tile.lowerBound * target.groups * 16
        let scales = target.scales + tile.lowerBound * target.blocks
        for token in tile {
            let lane = token - tile.lowerBound
            quantizeActivations(
                x + token * stride, count: target.columns, block: target.block, codes: codes + lane * 16,
                stride: tile.count * 16, scales: scales + lane, scaleStride: tile.count)
        }
    }
}
