// What a round of drafts reads, told from shapes alone.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension GLMConfiguration {
    /// About how many bytes a round of `drafts` drafts for each of `sequences` sequences reads; without drafts, a plain step.
    ///
    /// Routing is taken to be even: r rows touch E · (1 − (1 − K/E)ʳ) experts. Embedding, head and routers are BF16
    /// whatever the rest is.
    /// - Parameter drafts: passes of the MTP layer, and rows that a sequence verifies beyond its last token.
    package func approximateBytes(ofDrafts drafts: Int, sequences: Int) -> Double {
        let (hidden, size) = (Double(hiddenSize), weightBlock == nil ? 2.0 : 1)
        let expert = 3 * hidden * Double(expertIntermediateSize) * size
        let routers = 2 * Double(routedExpertCount) * hidden
        let head = 2 * Double(vocabularySize) * hidden
        func touched(_ rows: Int) -> Double {
            guard routedExpertCount > 0 else { return 0 }
            let missed = 1 - Double(expertsPerToken) / Double(routedExpertCount)
            return Double(routedExpertCount) * (1 - pow(missed, Double(rows)))
        }
        func sparseLayer(_ rows: Int) -> Double {
            routers + expert * (Double(sharedExpertCount) + touched(rows))
        }
        let trunk = (0..<layerCount).reduce(head) { sum, layer in
            let isDense = feedForward(ofLayer: layer) == .dense
            return sum + approximateAttentionParameters * size
                + (isDense
                    ? 3 * hidden * Double(denseIntermediateSize) * size
                    : sparseLayer(sequences * (drafts + 1)))
        }
        let draft =
            head + approximateAttentionParameters * size + 2 * hidden * hidden * size + sparseLayer(sequences)
        return trunk + Double(drafts) * draft
    }
}
