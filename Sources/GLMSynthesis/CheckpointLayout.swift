// The released layout as a table: which tensors a configuration has, in which shapes and formats. Knows no
// numbers' values and no file; what reads the tensors is the layers' `init(weights:)`, written down a second
// time there on purpose.

package import GLMModel
import GLMWeights

/// The format of a whole checkpoint.
package enum CheckpointFormat: String, Sendable, CaseIterable {
    /// Everything BF16 but the router's bias (F32): the released BF16 repository.
    case bfloat16 = "bf16"
    /// Linear layers in FP8 E4M3 with block scales, the rest as in BF16: the released FP8 repository.
    case float8 = "fp8"
    /// Everything F32.
    case float32 = "f32"
}

/// All tensors of a model in the released Hugging Face layout, in the order embedding, layers, norm, head.
///
/// Source: specification §2 (headers of GLM-5.1 and GLM-5.2-FP8).
package struct CheckpointLayout: Sendable {
    package let configuration: GLMConfiguration
    package let format: CheckpointFormat
    package private(set) var tensors: [TensorSpecification] = []

    /// Block of an FP8 weight when the configuration names none.
    package static let defaultBlock = GLMConfiguration.WeightBlock(rows: 128, columns: 128)

    package init(_ configuration: GLMConfiguration, format: CheckpointFormat) {
        self.configuration = configuration
        self.format = format
        let c = configuration
        plain("model.embed_tokens.weight", [c.vocabularySize, c.hiddenSize], .normal(deviation: 1))
        for layer in 0..<c.storedLayerCount { appendLayer(layer) }
        norm("model.norm.weight", c.hiddenSize)
        plain("lm_head.weight", [c.vocabularySize, c.hiddenSize], .head)
    }

    /// Parameters of the whole model, the MTP layer included, scales not.
    package var parameterCount: Int {
        tensors.reduce(0) { $1.isScale ? $0 : $0 + $1.elementCount }
    }

    /// Parameters one token is multiplied with in the trunk: of the routed experts the chosen ones, no MTP
    /// layer, and no embedding, of which one row is looked up.
    package var activeParameterCount: Int {
        let c = configuration
        let draft = (c.layerCount..<c.storedLayerCount).map { "model.layers.\($0)." }
        var always = 0
        var routed = 0
        for tensor in tensors where !tensor.isScale && tensor.name != "model.embed_tokens.weight" {
            if draft.contains(where: tensor.name.hasPrefix) { continue }
            if tensor.name.utf8.contains(".mlp.experts.".utf8) {
                routed += tensor.elementCount
            } else {
                always += tensor.elementCount
            }
        }
        return c.routedExpertCount == 0 ? always : always + routed / c.routedExpertCount * c.expertsPerToken
    }

    /// Bytes of all tensors, without the files' headers.
    package var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

    // MARK: Layers

    private mutating func appendLayer(_ layer: Int) {
        let c = configuration
        let prefix = "model.layers.\(layer)"
        norm("\(prefix).input_layernorm.weight", c.hiddenSize)
        norm("\(prefix).post_attention_layernorm.weight", c.hiddenSize)
        appendAttention("\(prefix).self_attn")
        if c.indexer(ofLayer: layer) == .full { appendIndexer("\(prefix).self_attn.indexer") }
        switch c.feedForward(ofLayer: layer) {
        case .dense: appendMLP("\(prefix).mlp", c.denseIntermediateSize, downGain: 0.9)
        case .sparse: appendExperts("\(prefix).mlp")
        }
        if layer >= c.layerCount {
            norm("\(prefix).enorm.weight", c.hiddenSize)
            norm("\(prefix).hnorm.weight", c.hiddenSize)
            plain("\(prefix).eh_proj.weight", [c.hiddenSize, 2 * c.hiddenSize], .draftInput)
            norm("\(prefix).shared_head.norm.weight", c.hiddenSize)
        }
    }

    private mutating func appendAttention(_ prefix: String) {
        let c = configuration
        let (heads, rank) = (c.headCount, c.latentRank)
        linear("\(prefix).q_a_proj.weight", c.queryRank, c.hiddenSize)
        norm("\(prefix).q_a_layernorm.weight", c.queryRank)
        linear("\(prefix).q_b_proj.weight", heads * c.headDimension, c.queryRank, gain: 1.6)
        linear("\(prefix).kv_a_proj_with_mqa.weight", rank + c.ropeDimension, c.hiddenSize, gain: 1.3)
        norm("\(prefix).kv_a_layernorm.weight", rank)
        linear("\(prefix).kv_b_proj.weight", heads * (c.nopeDimension + c.valueDimension), rank, gain: 1.3)
        linear("\(prefix).o_proj.weight", c.hiddenSize, heads * c.valueDimension, gain: 0.8)
    }

    private mutating func appendIndexer(_ prefix: String) {
        let c = configuration
        linear("\(prefix).wq_b.weight", c.indexHeadCount * c.indexHeadDimension, c.queryRank, gain: 1.5)
        linear("\(prefix).wk.weight", c.indexHeadDimension, c.hiddenSize)
        norm("\(prefix).k_norm.weight", c.indexHeadDimension)
        plain("\(prefix).k_norm.bias", [c.indexHeadDimension], .around(center: 0, deviation: 0.25))
        plain(
            "\(prefix).weights_proj.weight", [c.indexHeadCount, c.hiddenSize], deviation(1.5, c.hiddenSize))
    }

    private mutating func appendMLP(_ prefix: String, _ width: Int, downGain: Float) {
        let hidden = configuration.hiddenSize
        linear("\(prefix).gate_proj.weight", width, hidden)
        linear("\(prefix).up_proj.weight", width, hidden)
        linear("\(prefix).down_proj.weight", hidden, width, gain: downGain)
    }

    private mutating func appendExperts(_ prefix: String) {
        let c = configuration
        plain("\(prefix).gate.weight", [c.routedExpertCount, c.hiddenSize], deviation(1.2, c.hiddenSize))
        // With groups the bias is low enough for biased scores to be negative: masking a dropped group with 0
        // instead of −∞ would then choose from it.
        let center: Float = c.expertGroupCount > 1 ? -1 : 0
        tensors.append(
            TensorSpecification(
                name: "\(prefix).gate.e_score_correction_bias", shape: [c.routedExpertCount], type: .float32,
                draw: .around(center: center, deviation: 0.1)))
        for expert in 0..<c.routedExpertCount {
            appendMLP("\(prefix).experts.\(expert)", c.expertIntermediateSize, downGain: 0.5)
        }
        if c.sharedExpertCount > 0 {
            appendMLP("\(prefix).shared_experts", c.sharedIntermediateSize, downGain: 0.6)
        }
    }

    // MARK: Kinds of tensors

    /// A tensor that the FP8 repository keeps in BF16.
    private mutating func plain(_ name: String, _ shape: [Int], _ draw: WeightDraw) {
        let type: ElementType = format == .float32 ? .float32 : .bfloat16
        tensors.append(TensorSpecification(name: name, shape: shape, type: type, draw: draw))
    }

    private mutating func norm(_ name: String, _ count: Int) {
        plain(name, [count], .around(center: 1, deviation: 0.125))
    }

    /// A linear layer `[rows, columns]`, in FP8 followed by its scales `[⌈rows/128⌉, ⌈columns/128⌉]`.
    private mutating func linear(_ name: String, _ rows: Int, _ columns: Int, gain: Float = 1) {
        let draw = deviation(gain, columns)
        guard format == .float8, case .normal(let deviation) = draw else {
            plain(name, [rows, columns], draw)
            return
        }
        let block = configuration.weightBlock ?? CheckpointLayout.defaultBlock
        let blocks = [(rows + block.rows - 1) / block.rows, (columns + block.columns - 1) / block.columns]
        tensors.append(
            TensorSpecification(name: name, shape: [rows, columns], type: .float8E4M3, draw: draw))
        tensors.append(
            TensorSpecification(
                name: name + "_scale_inv", shape: blocks, type: .float32, draw: .scales(deviation: deviation))
        )
    }

    /// Keeps the size of what passes through: `gain / √inputs`. Both operations are exactly rounded on every
    /// machine.
    private func deviation(_ gain: Float, _ inputs: Int) -> WeightDraw {
        .normal(deviation: gain / Float(inputs).squareRoot())
    }
}
