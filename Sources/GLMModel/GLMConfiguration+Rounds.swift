// What passes read, told from shapes alone.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension GLMConfiguration {
    /// About how many bytes the trunk's pass over `rows` tokens reads, and its head.
    ///
    /// Routing is taken to be even: r rows touch E · (1 − (1 − K/E)ʳ) experts. Head and routers are BF16 whatever the rest
    /// is.
    package func approximateBytes(ofRows rows: Int) -> Double {
        (0..<layerCount).reduce(headBytes) { sum, layer in
            let isDense = feedForward(ofLayer: layer) == .dense
            return sum + approximateAttentionParameters * weightSize
                + (isDense
                    ? 3 * Double(hiddenSize) * Double(denseIntermediateSize) * weightSize : sparseBytes(rows))
        }
    }

    /// About how many bytes a pass of the MTP layer over `rows` tokens reads, and the head.
    package func approximateBytes(ofDrafts rows: Int) -> Double {
        let hidden = Double(hiddenSize)
        return headBytes + (approximateAttentionParameters + 2 * hidden * hidden) * weightSize
            + sparseBytes(rows)
    }

    private var weightSize: Double { weightBlock == nil ? 2 : 1 }
    private var headBytes: Double { 2 * Double(vocabularySize) * Double(hiddenSize) }

    private func sparseBytes(_ rows: Int) -> Double {
        let (hidden, experts) = (Double(hiddenSize), Double(routedExpertCount))
        let missed = experts > 0 ? pow(1 - Double(expertsPerToken) / experts, Double(rows)) : 1
        let touched = experts * (1 - missed) + Double(sharedExpertCount)
        return 2 * experts * hidden + 3 * hidden * Double(expertIntermediateSize) * weightSize * touched
    }
}
