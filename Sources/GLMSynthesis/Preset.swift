// The named sizes of synthetic models. Knows configurations only.

package import GLMFiles

/// A configuration with a name.
package enum Preset: String, Sendable, CaseIterable {
    /// About 0.95 M parameters: every kind of layer, widths that are no multiple of 128. Comes with the
    /// program.
    case nano
    /// About 10 M parameters.
    case small
    /// About 1 B parameters: the yardstick of benchmarks.
    case mid
    /// GLM-5's real widths with as many layers as asked for.
    case glm5Slice = "glm5-slice"
    /// The released GLM-5 and GLM-5.1: 78 layers and the MTP layer.
    case glm51 = "glm-5.1"

    /// What may differ from the preset; nil keeps its value.
    package struct Changes: Sendable, Equatable {
        package var layers: Int?
        package var denseLayers: Int?
        package var vocabularySize: Int?
        package var omitsDraftLayer = false

        package init() {}
    }

    /// `config.json` in the released field set, without `quantization_config`.
    ///
    /// - Throws: `InputError.usage` when the changed numbers do not make a model.
    package func document(_ changes: Changes = Changes()) throws(InputError) -> JSON {
        var d = dimensions
        d.layers = changes.layers ?? d.layers
        d.denseLayers = changes.denseLayers ?? min(d.denseLayers, d.layers)
        d.vocabulary = changes.vocabularySize ?? d.vocabulary
        guard (1...4096).contains(d.layers) else {
            throw InputError(.usage, subject: "--layers", found: "\(d.layers)", expected: "1 to 4096")
        }
        guard (0...d.layers).contains(d.denseLayers) else {
            throw InputError(
                .usage, subject: "--dense-layers", found: "\(d.denseLayers)",
                expected: "0 to \(d.layers), the number of layers")
        }
        guard let tokens = TokenPlan(vocabularySize: d.vocabulary), d.vocabulary <= 1 << 26 else {
            throw InputError(
                .usage, subject: "--vocab-size", found: "\(d.vocabulary)",
                expected: "\(256 + TokenPlan.addedCount) (256 bytes and the added tokens) to \(1 << 26)")
        }
        return d.document(tokens: tokens, hasDraftLayer: !changes.omitsDraftLayer)
    }

    private var dimensions: Dimensions {
        switch self {
        case .nano: .nano
        case .small: .small
        case .mid: .mid
        case .glm5Slice: .slice
        case .glm51: .released
        }
    }
}

/// The numbers in which presets differ.
private struct Dimensions {
    var vocabulary: Int
    var hidden: Int
    var layers: Int
    var denseLayers: Int
    var denseWidth: Int
    var expertWidth: Int
    var experts: Int
    var expertsPerToken: Int
    var heads: Int
    var queryRank: Int
    var latentRank: Int
    var nope: Int
    var rope: Int
    var value: Int
    var indexHeads: Int
    var indexDimension: Int
    var indexTopK: Int
    var positions: Int

    static let nano = Dimensions(
        vocabulary: 512, hidden: 136, layers: 3, denseLayers: 1, denseWidth: 200, expertWidth: 32, experts: 8,
        expertsPerToken: 2, heads: 8, queryRank: 72, latentRank: 48, nope: 24, rope: 8, value: 20,
        indexHeads: 4,
        indexDimension: 24, indexTopK: 16, positions: 4096)
    static let small = Dimensions(
        vocabulary: 2048, hidden: 256, layers: 4, denseLayers: 1, denseWidth: 512, expertWidth: 128,
        experts: 16,
        expertsPerToken: 4, heads: 8, queryRank: 128, latentRank: 64, nope: 32, rope: 16, value: 32,
        indexHeads: 8,
        indexDimension: 32, indexTopK: 64, positions: 8192)
    static let mid = Dimensions(
        vocabulary: 16384, hidden: 1024, layers: 12, denseLayers: 1, denseWidth: 2048, expertWidth: 384,
        experts: 64,
        expertsPerToken: 8, heads: 16, queryRank: 512, latentRank: 256, nope: 128, rope: 64, value: 128,
        indexHeads: 16,
        indexDimension: 128, indexTopK: 512, positions: 32768)
    static let released = Dimensions(
        vocabulary: 154_880, hidden: 6144, layers: 78, denseLayers: 3, denseWidth: 12288, expertWidth: 2048,
        experts: 256,
        expertsPerToken: 8, heads: 64, queryRank: 2048, latentRank: 512, nope: 192, rope: 64, value: 256,
        indexHeads: 32,
        indexDimension: 128, indexTopK: 2048, positions: 202_752)
    static var slice: Dimensions {
        var slice = released
        slice.layers = 2
        slice.denseLayers = 1
        return slice
    }

    func document(tokens: TokenPlan, hasDraftLayer: Bool) -> JSON {
        [
            "architectures": ["GlmMoeDsaForCausalLM"], "attention_bias": false,
            "attention_dropout": .number("0.0"),
            "dtype": "bfloat16", "eos_token_id": .array(tokens.endOfSequence.map { .integer(Int($0)) }),
            "ep_size": 1,
            "first_k_dense_replace": .integer(denseLayers), "hidden_act": "silu", "head_dim": .integer(rope),
            "hidden_size": .integer(hidden), "index_head_dim": .integer(indexDimension),
            "index_n_heads": .integer(indexHeads), "index_topk": .integer(indexTopK),
            "indexer_rope_interleave": true,
            "initializer_range": .number("0.02"), "intermediate_size": .integer(denseWidth),
            "kv_lora_rank": .integer(latentRank), "max_position_embeddings": .integer(positions),
            "model_type": "glm_moe_dsa", "moe_intermediate_size": .integer(expertWidth), "moe_layer_freq": 1,
            "n_group": 1,
            "n_routed_experts": .integer(experts), "n_shared_experts": 1, "norm_topk_prob": true,
            "num_attention_heads": .integer(heads), "num_experts_per_tok": .integer(expertsPerToken),
            "num_hidden_layers": .integer(layers), "num_key_value_heads": .integer(heads),
            "num_nextn_predict_layers": .integer(hasDraftLayer ? 1 : 0),
            "pad_token_id": .integer(Int(tokens.padding)),
            "pretraining_tp": 1, "q_lora_rank": .integer(queryRank), "qk_head_dim": .integer(nope + rope),
            "qk_nope_head_dim": .integer(nope), "qk_rope_head_dim": .integer(rope),
            "rms_norm_eps": .number("1e-05"),
            "rope_interleave": true, "rope_parameters": ["rope_theta": 1_000_000, "rope_type": "default"],
            "routed_scaling_factor": .number("2.5"), "scoring_func": "sigmoid", "tie_word_embeddings": false,
            "topk_group": 1, "topk_method": "noaux_tc", "use_cache": true, "v_head_dim": .integer(value),
            "vocab_size": .integer(vocabulary),
        ]
    }
}
