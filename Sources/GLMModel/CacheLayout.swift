package import GLMKernels

/// Where a page of the cache keeps what for each layer.
///
/// A page holds 64 tokens of *all* layers: for each stored layer the attention rows `[64, C + R]` (latent,
/// then rotated rope key), and for layers with an indexer the index keys turned on their side, `[2, J, 32]`
/// (`KeyColumns`), all in the cache's format.
package struct CacheLayout: Sendable, Equatable {
    /// Tokens a page holds.
    package static let pageTokens = KeyRows.pageTokens

    /// Latent and rope key of a token and layer: C + R elements.
    package let attentionRow: CacheRow
    /// Index key of a token and indexed layer: J elements.
    package let indexRow: CacheRow
    /// Offset of a layer's attention rows in a page, in bytes.
    package let attentionOffsets: [Int]
    /// Offset of a layer's index keys in a page, in bytes; nil for a layer that shares a selection.
    package let indexOffsets: [Int?]
    /// Bytes of a whole page.
    package let pageBytes: Int

    /// The layout of one layer alone.
    package init(latentRank: Int, ropeDimension: Int, indexWidth: Int?, format: CacheFormat) {
        self.init(
            attention: CacheRow(format, latent: latentRank, rope: ropeDimension),
            index: CacheRow(format, latent: indexWidth ?? 0), indexed: [indexWidth != nil])
    }

    /// The layout of the layers in `layers` (stored layer numbers; the MTP layer has a cache of its own).
    package init(_ configuration: GLMConfiguration, layers: Range<Int>, format: CacheFormat) {
        self.init(
            attention: CacheRow(
                format, latent: configuration.latentRank, rope: configuration.ropeDimension),
            index: CacheRow(format, latent: configuration.indexHeadDimension),
            indexed: layers.map { configuration.indexer(ofLayer: $0) == .full })
    }

    private init(attention: CacheRow, index: CacheRow, indexed: [Bool]) {
        attentionRow = attention
        indexRow = index
        var offset = 0
        var attentionOffsets: [Int] = []
        var indexOffsets: [Int?] = []
        for hasIndex in indexed {
            attentionOffsets.append(offset)
            offset += CacheLayout.pageTokens * attention.bytes
            indexOffsets.append(hasIndex ? offset : nil)
            if hasIndex { offset += CacheLayout.pageTokens * index.bytes }
        }
        self.attentionOffsets = attentionOffsets
        self.indexOffsets = indexOffsets
        pageBytes = offset
    }

    /// How every row is stored.
    package var format: CacheFormat { attentionRow.format }
    /// C + R, elements of an attention row.
    package var attentionWidth: Int { attentionRow.width }
    /// Bytes one token takes in all layers together.
    package var bytesPerToken: Int { pageBytes / CacheLayout.pageTokens }
}
