import GLMFiles
import GLMModel
import GLMTestSupport
import Testing

@Suite struct GLMConfigurationTests {
    /// A valid configuration as JSON text, with keys replaced, added (JSON text) or removed (nil).
    static func text(_ changes: [String: String?] = [:]) -> String {
        var keys: [String: String] = [
            "model_type": "\"glm_moe_dsa\"", "vocab_size": "192", "hidden_size": "48",
            "num_hidden_layers": "4", "num_nextn_predict_layers": "1", "max_position_embeddings": "4096",
            "rms_norm_eps": "1e-05",
            "rope_parameters": "{\"rope_theta\": 1000000, \"rope_type\": \"default\"}",
            "num_attention_heads": "4", "num_key_value_heads": "4", "q_lora_rank": "32", "kv_lora_rank": "24",
            "qk_nope_head_dim": "16", "qk_rope_head_dim": "8", "qk_head_dim": "24", "v_head_dim": "20",
            "index_n_heads": "8", "index_head_dim": "16", "index_topk": "8", "first_k_dense_replace": "1",
            "intermediate_size": "72", "moe_intermediate_size": "16", "n_routed_experts": "8",
            "n_shared_experts": "1", "num_experts_per_tok": "2", "n_group": "1", "topk_group": "1",
            "norm_topk_prob": "true", "routed_scaling_factor": "2.5", "eos_token_id": "[189, 191]",
            "hidden_act": "\"silu\"", "scoring_func": "\"sigmoid\"", "topk_method": "\"noaux_tc\"",
            "head_dim": "99",
        ]
        for (key, value) in changes { keys[key] = value }
        return "{"
            + keys.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ",")
            + "}"
    }

    static func load(_ changes: [String: String?] = [:]) throws -> GLMConfiguration {
        try GLMConfiguration(JSONDocument(parsing: Array(text(changes).utf8), source: "config.json").root)
    }

    /// Values that are possible one by one, but describe together what no machine holds.
    @Test(arguments: [
        (["num_hidden_layers": "4096", "n_routed_experts": "65536"], "n_routed_experts"),
        (["hidden_size": "16777216", "vocab_size": "67108864"], "parameters"),
        (
            [
                "hidden_size": "16777216", "num_attention_heads": "65536", "num_key_value_heads": "65536",
                "v_head_dim": "16777216",
            ], "parameters"
        ),
        (
            ["max_position_embeddings": "1073741824", "num_hidden_layers": "4096", "index_head_dim": "100"],
            "max_position_embeddings"
        ),
    ])
    func impossibleSizesAreRefused(changes: [String: String], key: String) {
        #expect { try Self.load(changes) } throws: { "\($0)".contains(key) }
    }

    /// Negative control: large is not impossible. The last one is wider and deeper than GLM-5.
    @Test(arguments: [
        ["max_position_embeddings": "1073741824"],
        [
            "num_hidden_layers": "128", "n_routed_experts": "1024", "hidden_size": "8192",
            "moe_intermediate_size": "4096", "vocab_size": "200000", "max_position_embeddings": "1048576",
        ],
    ])
    func largeSizesAreAccepted(changes: [String: String]) throws {
        _ = try Self.load(changes)
    }

    /// Older files repeat the base of the rotary embedding at the top.
    @Test func aSecondRopeThetaMustAgree() throws {
        #expect(try Self.load(["rope_theta": "1e6"]).ropeTheta == 1_000_000)
        #expect { try Self.load(["rope_theta": "10000"]) } throws: { "\($0)".contains("rope_theta") }
    }

    @Test func readsEveryField() throws {
        let configuration = try Self.load()
        #expect(configuration.headDimension == 24)
        #expect(configuration.feedForwards == [.dense, .sparse, .sparse, .sparse])
        #expect(configuration.indexers == [.full, .full, .full, .full])
        #expect(configuration.endOfSequenceTokens == [189, 191])
        #expect(configuration.rmsNormEpsilon == 1e-5)
        #expect(configuration.ropeTheta == 1_000_000)
        #expect(configuration.weightBlock == nil)
        #expect(configuration.indexer(ofLayer: 4) == .full)
        #expect(configuration.feedForward(ofLayer: 4) == .sparse)
    }

    /// Frequency and offset, a pattern and a list say the same in three ways.
    @Test func indexerPatternsAgree() throws {
        let byFrequency = try Self.load([
            "num_hidden_layers": "10", "index_topk_freq": "4", "index_skip_topk_offset": "3",
            "index_topk_pattern": "null",
        ])
        let byPattern = try Self.load(["num_hidden_layers": "10", "index_topk_pattern": "\"FFFSSSFSSS\""])
        let list = (0..<10).map { [0, 1, 2, 6].contains($0) ? "\"full\"" : "\"shared\"" }.joined(
            separator: ",")
        let byList = try Self.load([
            "num_hidden_layers": "10", "indexer_types": "[\(list)]", "index_topk_pattern": "\"FFFFFFFFFF\"",
        ])
        #expect(byFrequency.indexers == byPattern.indexers)
        #expect(byFrequency.indexers == byList.indexers)
        #expect(byFrequency.indexers != (try Self.load(["num_hidden_layers": "10"])).indexers)
    }

    @Test(
        arguments: [
            ("hidden_size", nil), ("hidden_size", "-48"), ("hidden_size", "\"48\""), ("hidden_size", "48.5"),
            ("hidden_size", "1e99"), ("hidden_size", "0"), ("hidden_size", "99999999999999999999999"),
            ("num_hidden_layers", "1000000000"), ("model_type", "\"llama\""), ("model_type", nil),
            ("rms_norm_eps", "0"), ("rms_norm_eps", "-1e-5"), ("rms_norm_eps", "true"),
            ("norm_topk_prob", "1"),
            ("norm_topk_prob", nil), ("rope_parameters", "10000"), ("rope_parameters", nil),
            ("rope_parameters", "{\"rope_theta\": 1e6, \"rope_type\": \"yarn\"}"),
            ("rope_parameters", "{\"rope_theta\": 0, \"rope_type\": \"default\"}"),
            ("hidden_act", "\"gelu\""), ("scoring_func", "\"softmax\""), ("topk_method", "\"greedy\""),
            ("attention_bias", "true"), ("tie_word_embeddings", "true"), ("rope_interleave", "false"),
            ("indexer_rope_interleave", "false"), ("index_init_tokens", "4"), ("index_local_tokens", "4"),
            ("index_k_norm_type", "\"rmsnorm\""), ("moe_layer_freq", "2"), ("qk_head_dim", "25"),
            ("num_key_value_heads", "2"), ("num_nextn_predict_layers", "2"),
            ("rope_scaling", "{\"factor\": 2}"),
            ("moe_router_dtype", "\"bfloat16\""), ("eos_token_id", "[192]"), ("eos_token_id", "[-1]"),
            ("eos_token_id", "\"</s>\""), ("qk_rope_head_dim", "7"), ("num_experts_per_tok", "9"),
            ("n_group", "3"), ("topk_group", "2"), ("n_group", "8"), ("indexer_types", "[\"full\"]"),
            ("index_topk_pattern", "\"FSX?\""), ("indexer_types", "[\"shared\",\"full\",\"full\",\"full\"]"),
            ("layer_types", "[\"sliding\"]"),
            ("mlp_layer_types", "[\"dense\",\"sparse\",\"dense\",\"sparse\"]"), ("n_shared_experts", "0"),
            ("quantization_config", "{\"quant_method\": \"gptq\"}"), ("quantization_config", "3"),
            ("quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [128]}"),
            ("quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [0, 128]}"),
            (
                "quantization_config",
                "{\"quant_method\": \"fp8\", \"fmt\": \"e5m2\", \"weight_block_size\": [128, 128]}"
            ),
        ] as [(String, String?)])
    func refusesByName(key: String, value: String?) {
        #expect {
            _ = try Self.load([key: value])
        } throws: { error in
            let line = "\(error)"
            return line.contains(key) && line.contains("config.json") && !line.contains("\n")
        }
    }

    /// The negative control of the table above: the same reader accepts what is only unusual.
    @Test(arguments: [
        ("attention_bias", "null"), ("moe_router_dtype", "\"float32\""), ("n_group", "4"),
        ("n_shared_experts", "3"), ("eos_token_id", "5"), ("eos_token_id", "null"),
        ("some_new_key", "{\"a\": [1, 2]}"),
        (
            "quantization_config",
            "{\"quant_method\": \"fp8\", \"fmt\": \"e4m3\", \"weight_block_size\": [128, 128]}"
        ),
    ])
    func acceptsTheUnusual(key: String, value: String) throws {
        _ = try Self.load([key: value])
    }
}
