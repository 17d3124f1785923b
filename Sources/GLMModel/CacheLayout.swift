import GLMKernels

/// Where a page of the cache keeps what for each layer.
///
/// A page holds 64 tokens of *all* layers: for each stored layer the attention rows `[64, C + R]` (latent,
/// then rotated rope key), and for layers with an indexer the index keys `[64, J]`.
package struct CacheLayout: Sendable, Equatable {
    /// Tokens a page holds.
    package static let pageTokens = KeyRows.pageTokens

    /// C + R floats a token and layer.
    package let attentionWidth: Int
    /// C: how much of an attention row is the latent.
    package let latentRank: Int
    /// J floats a token and indexed layer.
    package let indexWidth: Int
    /// Offset of a layer's attention rows in a page, in floats.
    package let attentionOffsets: [Int]
    /// Offset of a layer's index keys in a page, in floats; nil for a layer that shares a selection.
    package let indexOffsets: [Int?]
    /// Floats of a whole page.
    package let pageFloats: Int

    /// The layout of one layer alone.
    package init(latentRank: Int, ropeDimension: Int, indexWidth: Int?) {
        self.latentRank = latentRank
        attentionWidth = latentRank + ropeDimension
        self.indexWidth = indexWidth ?? 0
        attentionOffsets = [0]
        indexOffsets = [indexWidth == nil ? nil : CacheLayout.pageTokens * attentionWidth]
        pageFloats = CacheLayout.pageTokens * (attentionWidth + self.indexWidth)
    }

    /// The layout of the layers in `layers` (stored layer numbers; the MTP layer has a cache of its own).
    package init(_ configuration: GLMConfiguration, layers: Range<Int>) {
        attentionWidth = configuration.latentRank + configuration.ropeDimension
        latentRank = configuration.latentRank
        indexWidth = configuration.indexHeadDimension
        var offset = 0
        var attention: [Int] = []
        var index: [Int?] = []
        for layer in layers {
            attention.append(offset)
            offset += CacheLayout.pageTokens * attentionWidth
            guard configuration.indexer(ofLayer: layer) == .full else {
                index.append(nil)
                continue
            }
            index.append(offset)
            offset += CacheLayout.pageTokens * indexWidth
        }
        attentionOffsets = attention
        indexOffsets = index
        pageFloats = offset
    }

    /// Bytes one token takes in all layers together.
    package var bytesPerToken: Int { pageFloats / CacheLayout.pageTokens * MemoryLayout<Float>.stride }
}
