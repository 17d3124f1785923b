package import GLMFiles

extension GLMConfiguration {
    /// Reads and validates `config.json`.
    /// - Throws: `InputError` naming the file, the key, what was found and what was expected.
    package static func load(path: String) throws(InputError) -> GLMConfiguration {
        try GLMConfiguration(JSONDocument.load(path: path, limit: 64 << 20).root)
    }

    /// Reads and validates a parsed `config.json`. Keys this engine does not know are ignored; a known key
    /// with a value that would change numbers in a way it does not support is refused by name.
    /// - Throws: `InputError` naming the key, what was found and what was expected.
    package init(_ root: JSONValue) throws(InputError) {
        guard root.kind == .object else {
            throw InputError(
                .badInput, file: root.source, found: "a JSON \(root.kind)", expected: "an object")
        }
        let keys = ConfigurationKeys(root)
        try GLMConfiguration.refuseUnsupported(keys)
        let layers = try keys.count("num_hidden_layers", atMost: 4096)
        try self.init(
            vocabularySize: keys.count("vocab_size", atMost: 1 << 26),
            hiddenSize: keys.count("hidden_size"),
            layerCount: layers,
            nextTokenLayerCount: keys.count("num_nextn_predict_layers", atLeast: 0, atMost: 1, default: 0),
            maximumPositions: keys.count("max_position_embeddings", atMost: 1 << 30),
            rmsNormEpsilon: keys.positive("rms_norm_eps", below: 1),
            ropeTheta: GLMConfiguration.ropeTheta(keys),
            headCount: keys.count("num_attention_heads", atMost: 1 << 16),
            queryRank: keys.count("q_lora_rank"),
            latentRank: keys.count("kv_lora_rank"),
            nopeDimension: keys.count("qk_nope_head_dim"),
            ropeDimension: keys.count("qk_rope_head_dim"),
            valueDimension: keys.count("v_head_dim"),
            indexHeadCount: keys.count("index_n_heads", atMost: 1 << 16),
            indexHeadDimension: keys.count("index_head_dim"),
            indexTopK: keys.count("index_topk", atMost: 1 << 30),
            indexers: GLMConfiguration.indexers(keys, layers: layers),
            sharesIndexAcrossDrafts: keys.flag("index_share_for_mtp_iteration", default: false),
            feedForwards: GLMConfiguration.feedForwards(keys, layers: layers),
            denseIntermediateSize: keys.count("intermediate_size"),
            expertIntermediateSize: keys.count("moe_intermediate_size"),
            routedExpertCount: keys.count("n_routed_experts", atMost: 1 << 16),
            sharedExpertCount: keys.count("n_shared_experts", atMost: 1 << 10),
            expertsPerToken: keys.count("num_experts_per_tok", atMost: 1 << 16),
            expertGroupCount: keys.count("n_group", atMost: 1 << 16),
            groupsPerToken: keys.count("topk_group", atMost: 1 << 16),
            normalizesExpertWeights: keys.flag("norm_topk_prob"),
            routedScalingFactor: keys.positive("routed_scaling_factor", below: 1e6),
            endOfSequenceTokens: GLMConfiguration.endOfSequence(keys),
            weightBlock: GLMConfiguration.weightBlock(keys))
        try keys.equal("qk_head_dim", to: headDimension, because: "qk_nope_head_dim + qk_rope_head_dim")
        try keys.equal("num_key_value_heads", to: headCount, because: "num_attention_heads")
        try validate(file: root.source)
    }

    /// Values that mean another arithmetic than the one built here.
    private static func refuseUnsupported(_ keys: ConfigurationKeys) throws(InputError) {
        try keys.require("model_type", oneOf: ["glm_moe_dsa"])
        for (key, wanted) in [
            ("hidden_act", "silu"), ("scoring_func", "sigmoid"), ("topk_method", "noaux_tc"),
            ("moe_router_dtype", "float32"), ("index_k_norm_type", "layernorm"),
        ] { try keys.permit(key, only: wanted) }
        for key in ["attention_bias", "mlp_bias", "tie_word_embeddings"] { try keys.permit(key, only: false) }
        for key in ["rope_interleave", "indexer_rope_interleave"] { try keys.permit(key, only: true) }
        for key in ["index_init_tokens", "index_local_tokens"] { try keys.permit(key, only: 0) }
        for key in ["moe_layer_freq", "pretraining_tp"] { try keys.permit(key, only: 1) }
        try keys.permit("rope_scaling", only: nil)
        if let kinds = try keys.strings("layer_types"),
            let other = kinds.first(where: { $0 != "indexed_attention" })
        {
            throw keys.error("layer_types", found: "\"\(other)\"", expected: "only \"indexed_attention\"")
        }
    }

    /// `rope_parameters.rope_theta`; a top-level `rope_theta` of older files must agree with it.
    private static func ropeTheta(_ keys: ConfigurationKeys) throws(InputError) -> Float {
        guard let parameters = keys.object("rope_parameters") else {
            throw keys.error(
                "rope_parameters", found: keys.describe("rope_parameters"),
                expected: "an object with rope_theta and rope_type")
        }
        try parameters.require("rope_type", oneOf: ["default"])
        for key in ["factor", "partial_rotary_factor"] { try parameters.permit(key, only: 1) }
        let theta = try parameters.positive("rope_theta", below: 1e12)
        guard keys.isPresent("rope_theta"), try keys.positive("rope_theta", below: 1e12) != theta else {
            return theta
        }
        throw keys.error(
            "rope_theta", found: keys.describe("rope_theta"),
            expected: "\(theta), as rope_parameters.rope_theta says")
    }

    /// `indexer_types`, else `index_topk_pattern`, else frequency and offset (specification §1.1).
    private static func indexers(_ keys: ConfigurationKeys, layers: Int) throws(InputError) -> [Indexer] {
        if let types = try keys.strings("indexer_types") {
            return try listed(types, key: "indexer_types", keys: keys, layers: layers) {
                Indexer(rawValue: $0)
            }
        }
        if keys.isPresent("index_topk_pattern") {
            let letters: [String]
            if let text = keys.value("index_topk_pattern")?.string {
                letters = text.unicodeScalars.map { String($0) }
            } else {
                letters = try keys.strings("index_topk_pattern") ?? []
            }
            let meaning: [String: Indexer] = ["F": .full, "S": .shared]
            return try listed(letters, key: "index_topk_pattern", keys: keys, layers: layers) { meaning[$0] }
        }
        let frequency = try keys.count("index_topk_freq", atMost: 1 << 20, default: 1)
        let offset = try keys.count("index_skip_topk_offset", atLeast: 0, atMost: 1 << 20, default: 2)
        return (0..<layers).map { max($0 - offset + 1, 0) % frequency == 0 ? .full : .shared }
    }

    private static func feedForwards(_ keys: ConfigurationKeys, layers: Int) throws(InputError)
        -> [FeedForward]
    {
        let dense = try keys.count("first_k_dense_replace", atLeast: 0, atMost: 4096)
        let leading = (0..<layers).map { $0 < dense ? FeedForward.dense : .sparse }
        guard let types = try keys.strings("mlp_layer_types") else { return leading }
        let kinds = try listed(types, key: "mlp_layer_types", keys: keys, layers: layers) {
            FeedForward(rawValue: $0)
        }
        guard kinds == leading else {
            throw keys.error(
                "mlp_layer_types", found: "a list that is not \(dense) dense layers followed by sparse ones",
                expected: "agreement with first_k_dense_replace = \(dense)")
        }
        return kinds
    }

    /// One entry a layer, the MTP layer not counted.
    private static func listed<Kind>(
        _ names: [String], key: String, keys: ConfigurationKeys, layers: Int, _ kind: (String) -> Kind?
    ) throws(InputError) -> [Kind] {
        guard names.count == layers else {
            throw keys.error(key, found: "\(names.count) entries", expected: "\(layers), one a layer")
        }
        var kinds: [Kind] = []
        for (layer, name) in names.enumerated() {
            guard let value = kind(name) else {
                throw keys.error(
                    "\(key)[\(layer)]", found: "\"\(name)\"", expected: "a kind this engine supports")
            }
            kinds.append(value)
        }
        return kinds
    }

    private static func endOfSequence(_ keys: ConfigurationKeys) throws(InputError) -> [Int32] {
        try keys.tokens("eos_token_id")
    }

    private static func weightBlock(_ keys: ConfigurationKeys) throws(InputError) -> WeightBlock? {
        guard keys.isPresent("quantization_config") else { return nil }
        guard let quantization = keys.object("quantization_config") else {
            throw keys.error(
                "quantization_config", found: keys.describe("quantization_config"), expected: "an object")
        }
        try quantization.require("quant_method", oneOf: ["fp8"])
        try quantization.permit("fmt", only: "e4m3")
        try quantization.permit("activation_scheme", only: "dynamic")
        try quantization.permit("scale_fmt", only: "ue8m0", orAbsentOrNull: true)
        let name = "weight_block_size"
        guard let sizes = quantization.value(name)?.elements, sizes.count == 2,
            let rows = sizes[0].integer, let columns = sizes[1].integer,
            (1...(1 << 20)).contains(rows), (1...(1 << 20)).contains(columns)
        else {
            throw quantization.error(
                name, found: quantization.describe(name), expected: "two positive integers, as [128, 128]")
        }
        return WeightBlock(rows: rows, columns: columns)
    }
}
