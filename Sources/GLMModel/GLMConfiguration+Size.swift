// How large the model of a configuration is, before anything is multiplied in integers.

extension GLMConfiguration {
    /// Tensors that are accepted: seventeen times those of GLM-5.
    static let mostTensors = 1e6
    /// Parameters that are accepted, and bytes of the cache of one full context. Far beyond any machine, and far below
    /// where sums and products of sizes leave 64 bits.
    static let mostElements = 1e15

    /// About how many tensors the model has; FP8 scales are not counted.
    var approximateTensorCount: Double {
        let sparse = Double(storedLayerCount - feedForwards.count { $0 == .dense })
        return Double(storedLayerCount) * 16 + sparse * 3 * Double(routedExpertCount)
    }

    /// About how many parameters the model has.
    var approximateParameterCount: Double {
        let (layers, hidden) = (Double(storedLayerCount), Double(hiddenSize))
        let dense = Double(feedForwards.count { $0 == .dense })
        let experts = Double(routedExpertCount) + Double(sharedExpertCount)
        return 2 * Double(vocabularySize) * hidden + layers * approximateAttentionParameters
            + dense * 3 * hidden * Double(denseIntermediateSize)
            + (layers - dense) * 3 * hidden * Double(expertIntermediateSize) * experts
    }

    var approximateAttentionParameters: Double {
        let (hidden, heads, query) = (Double(hiddenSize), Double(headCount), Double(queryRank))
        let head = Double(nopeDimension) + Double(ropeDimension)
        let (latent, value) = (Double(latentRank), Double(valueDimension))
        let indexer =
            Double(indexHeadCount) * (Double(indexHeadDimension) * query + hidden)
            + Double(indexHeadDimension) * hidden
        return query * (hidden + heads * head) + (latent + Double(ropeDimension)) * hidden
            + heads * latent * (Double(nopeDimension) + value) + hidden * heads * value + indexer
    }

    /// About how many bytes the cache of a context of `maximumPositions` takes.
    var approximateCacheBytes: Double {
        let row = Double(latentRank) + Double(ropeDimension) + Double(indexHeadDimension)
        return 4 * row * Double(storedLayerCount) * Double(maximumPositions)
    }
}
