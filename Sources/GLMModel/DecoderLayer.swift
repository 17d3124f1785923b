package import GLMFiles
package import GLMKernels
package import GLMParallel
package import GLMTensor
package import GLMWeights

/// h ← h + attention(norm(h)); h ← h + feedForward(norm(h)).
///
/// A class, since it is dozens of references, which every copy would count. Source: specification §3.
package final class DecoderLayer: Sendable {
    package enum FeedForward: Sendable {
        case dense(GatedMLP)
        case sparse(MixtureOfExperts)
    }

    package let inputNorm: RMSNorm
    package let attention: SparseAttention
    let attentionNorm: RMSNorm
    package let feedForward: FeedForward
    let compute: Compute
    /// Adds what the devices of a group computed of this layer.
    private let device: Device
    /// Stored layer number, whatever its place in a cache.
    private let number: Int
    private let feedForwardRead: ReadingOrder

    /// Reads `model.layers.{layer}.*`.
    package init(
        weights: WeightScope, configuration: GLMConfiguration, layer: Int, options: NumericOptions,
        compute: Compute, device: Device
    ) throws(InputError) {
        self.compute = compute
        self.device = device
        number = layer
        let hidden = configuration.hiddenSize
        func norm(_ name: String) throws(InputError) -> RMSNorm {
            RMSNorm(
                weight: try weights.vector(name + ".weight", count: hidden),
                epsilon: configuration.rmsNormEpsilon, compute: compute)
        }
        inputNorm = try norm("input_layernorm")
        attention = try SparseAttention(
            weights: weights.scope("self_attn"), configuration: configuration, layer: layer, options: options,
            compute: compute)
        attentionNorm = try norm("post_attention_layernorm")
        let mlp = weights.scope("mlp")
        switch configuration.feedForward(ofLayer: layer) {
        case .dense:
            let dense = try GatedMLP(
                weights: mlp, hidden: hidden, intermediate: configuration.denseIntermediateSize,
                compute: compute)
            feedForward = .dense(dense)
            feedForwardRead = dense.firstRead
        case .sparse:
            let experts = try MixtureOfExperts(
                weights: mlp, configuration: configuration, compute: compute,
                owned: device.plan.experts(of: configuration.routedExpertCount))
            feedForward = .sparse(experts)
            feedForwardRead = experts.firstRead
        }
    }

    /// The residual stream `[rows, hidden]` behind this layer, and the keys its rows attended to.
    ///
    /// Where groups of devices serve sequences of their own, the rows are those of this device's group; they meet
    /// those of the others for the feed-forward part, which all devices share.
    /// - Parameter following: what is read behind this layer.
    package func callAsFunction(
        _ h: Tensor, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache], selection: KeySelection?,
        trace: Trace?, following: ReadingOrder = []
    ) -> (Tensor, KeySelection) {
        let (partial, keys) = attend(
            h, layer: layer, batch: batch, caches: &caches, selection: selection, trace: trace)
        let a = compute.stored(device.sumOfAttention(partial, at: CollectiveSite(.attention, layer: number)))
        trace?(.attention(layer: layer, a))
        trace?(.selection(layer: layer, keys))
        let residual = compute.add(h, a)
        let x = attentionNorm(residual)
        compute.finished(.attentionNorm, layer: layer)
        defer { compute.finished(.residual, layer: layer) }
        let all = device.gather(rows: x, of: batch.shares, at: CollectiveSite(.rows, layer: number))
        let contribution = forward(all, layer: layer, trace: trace, following: following)
        let site = CollectiveSite(.feedForward, layer: number)
        let y = compute.stored(device.sum(contribution, scattered: batch.shares, at: site))
        return (compute.add(residual, y), keys)
    }

    /// This device's part of W^O o, and the keys attended to.
    private func attend(
        _ h: Tensor, layer: Int, batch: RaggedBatch, caches: inout [SequenceCache], selection: KeySelection?,
        trace: Trace?
    ) -> (Tensor, KeySelection) {
        // A group without a sequence in this pass.
        guard batch.rowCount > 0 else { return (h, KeySelection(denseOver: [])) }
        let normed = inputNorm(h)
        compute.finished(.inputNorm, layer: layer)
        return attention(
            normed, layer: layer, batch: batch, caches: &caches, selection: selection, trace: trace,
            following: feedForwardRead)
    }

    /// Writes what later rows need to know of these rows, and computes nothing else.
    package func remember(_ h: Tensor, layer: Int, batch: RaggedBatch, caches: [SequenceCache]) {
        attention.remember(inputNorm(h), layer: layer, batch: batch, caches: caches)
    }

    private func forward(_ x: Tensor, layer: Int, trace: Trace?, following: ReadingOrder) -> Tensor {
        switch feedForward {
        case .dense(let mlp):
            defer { compute.finished(.dense, layer: layer) }
            return mlp(x, following: following)
        case .sparse(let experts): return experts(x, layer: layer, trace: trace, following: following)
        }
    }
}
