package import GLMFiles
package import GLMKernels
import GLMTensor
package import GLMWeights

/// The multi-token-prediction layer stored behind the trunk: its weights, held for speculation.
///
/// x = W^EH [norm(embed(t_{i+1})); norm(u_i)], then a decoder layer with its own indexer and experts, then a
/// norm; the model's embedding and head serve it too.
/// Source: specification §8.1.
package struct EagleHead: Sendable {
    let embeddingNorm: RMSNorm
    let hiddenNorm: RMSNorm
    let combine: Linear
    let layer: DecoderLayer
    let finalNorm: RMSNorm

    /// Reads `model.layers.{layerCount}.*`. Copies of embedding and head that some repacks add there are
    /// ignored.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, options: NumericOptions, compute: Compute
    ) throws(InputError) {
        let hidden = configuration.hiddenSize
        func norm(_ name: String) throws(InputError) -> RMSNorm {
            RMSNorm(
                weight: try weights.vector(name + ".weight", count: hidden),
                epsilon: configuration.rmsNormEpsilon, compute: compute)
        }
        embeddingNorm = try norm("enorm")
        hiddenNorm = try norm("hnorm")
        combine = Linear(
            try weights.matrix("eh_proj.weight", rows: hidden, columns: 2 * hidden), compute: compute)
        layer = try DecoderLayer(
            weights: weights, configuration: configuration, layer: configuration.layerCount, options: options,
            compute: compute)
        finalNorm = try norm("shared_head.norm")
        weights.ignore("embed_tokens.weight", "shared_head.head.weight")
    }
}
