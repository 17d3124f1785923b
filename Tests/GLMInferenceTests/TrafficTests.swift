import GLMFiles
import GLMInference
import GLMModel
import GLMParallel
import GLMTensor
import GLMTestSupport
import Testing

/// The closed forms of SeveralDevices.md: calls of collectives, and bytes of their payload, four for each value.
/// Source: specification §9.
extension GLMConfiguration {
    /// A pass of the trunk over `rows` tokens of all sequences, of which `logitRows` want logits.
    func traffic(rows: Int, logitRows: Int) -> (calls: Int, bytes: Int) {
        (
            2 * layerCount + 2,
            4 * (rows * hiddenSize * (2 * layerCount + 1) + logitRows * vocabularySize)
        )
    }

    /// A pass of the MTP layer over `rows` tokens, of which `readRows` are read: only those go through attention,
    /// experts and head. Where none is read nothing is exchanged behind the embedding.
    func draftTraffic(rows: Int, readRows: Int) -> (calls: Int, bytes: Int) {
        readRows == 0
            ? (1, 4 * rows * hiddenSize)
            : (4, 4 * (rows * hiddenSize + 2 * readRows * hiddenSize + readRows * vocabularySize))
    }

    /// What a device exchanges in a pass of the trunk where groups of devices serve sequences of their own.
    ///
    /// Behind the embedding and every feed-forward part sums are scattered; before every feed-forward part and the head
    /// rows are gathered. Devices of one group also add their parts of an attention.
    /// - Parameters:
    ///   - rows: tokens of all sequences.
    ///   - ownRows: tokens of the sequences that the device's group serves.
    ///   - hiddenRows: rows whose hidden state is read.
    func traffic(
        rows: Int, ownRows: Int, hiddenRows: Int, logitRows: Int, layout: ParallelLayout
    ) -> (calls: Int, bytes: Int) {
        let sums = layout.attentionTensor > 1 && ownRows > 0 ? layerCount : 0
        let elements =
            rows * hiddenSize * (2 * layerCount + 1) + ownRows * hiddenSize * sums + hiddenRows * hiddenSize
            + logitRows * vocabularySize
        return (2 * layerCount + 3 + sums, 4 * elements)
    }
}

/// What devices exchange, beside the closed forms.
@Suite struct TrafficTests {
    /// `config.json` of GLM-5.1, the fields that have values of their own there.
    ///
    /// Source: specification §1.1, read from the released file. GLM-5 has the same; nothing that differs in GLM-5.2 (base of
    /// the rotation, longest context, which layers have an indexer) is exchanged.
    private static let released = """
        {
          "architectures": ["GlmMoeDsaForCausalLM"], "model_type": "glm_moe_dsa", "dtype": "bfloat16",
          "vocab_size": 154880, "hidden_size": 6144, "num_hidden_layers": 78, "num_nextn_predict_layers": 1,
          "intermediate_size": 12288, "moe_intermediate_size": 2048, "first_k_dense_replace": 3, "moe_layer_freq": 1,
          "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 2048, "kv_lora_rank": 512,
          "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "qk_head_dim": 256, "v_head_dim": 256, "head_dim": 64,
          "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 1, "topk_group": 1,
          "scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": true, "routed_scaling_factor": 2.5,
          "index_n_heads": 32, "index_head_dim": 128, "index_topk": 2048,
          "indexer_rope_interleave": true, "rope_interleave": true,
          "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
          "max_position_embeddings": 202752, "rms_norm_eps": 1e-05, "hidden_act": "silu",
          "attention_bias": false, "attention_dropout": 0.0, "tie_word_embeddings": false,
          "eos_token_id": [154820, 154827, 154829], "pad_token_id": 154820,
          "ep_size": 1, "pretraining_tp": 1, "initializer_range": 0.02, "use_cache": true
        }
        """

    /// Calls and bytes of one device, since the model was loaded; what is no part of the model left out.
    private func counted(_ model: LanguageModel, device: Int) -> (calls: Int, bytes: Int) {
        let entries = model.deviceReports()[device].traffic.filter {
            ![.command, .report].contains($0.key.site.operation)
        }
        return (entries.reduce(0) { $0 + $1.calls }, entries.reduce(0) { $0 + $1.bytes })
    }

    private func load(_ layout: ParallelLayout) throws -> LanguageModel {
        try LanguageModel.load(
            directory: "\(DeviceTests.root)/fresh-eight/bf16", options: DeviceTests.options(layout))
    }

    @Test(arguments: [(4, 2), (4, 4), (1, 1), (3, 0)])
    func thatOfATrunkHasAClosedForm(rows: Int, logitRows: Int) throws {
        let model = try load(ParallelLayout(tensor: 2))
        var caches = [model.makeCache()]
        let tokens = (1...Int32(rows)).map { $0 }
        _ = model.forward([SequenceStep(tokens: tokens, logitRows: logitRows)], caches: &caches)
        #expect(counted(model, device: 1) == model.configuration.traffic(rows: rows, logitRows: logitRows))
    }

    /// Drafts of two sequences, of which some, all or no rows are read.
    @Test(arguments: [(5, 1), (5, 3), (5, 5), (1, 1), (4, 0)], [2, 8])
    func thatOfADraftHasAClosedForm(sizes: (rows: Int, read: Int), devices: Int) throws {
        let model = try load(ParallelLayout(tensor: devices))
        let c = model.configuration
        let steps = [sizes, (rows: 2, read: min(1, sizes.read))].map { size in
            EagleStep(
                tokens: (1...Int32(size.rows)).map { $0 },
                hidden: Tensor(zeros: [size.rows, c.hiddenSize]), logitRows: size.read)
        }
        var caches = [model.makeDraftCache(), model.makeDraftCache()]
        _ = model.draft(steps, caches: &caches)
        let found = counted(model, device: devices - 1)
        let (rows, read) = (sizes.rows + 2, sizes.read + min(1, sizes.read))
        #expect(found == c.draftTraffic(rows: rows, readRows: read))
        // Negative control: a layer through which all rows go exchanges more.
        if read < rows { #expect(found.bytes < c.draftTraffic(rows: rows, readRows: rows).bytes) }
    }

    /// The numbers that the documentation gives for the released model.
    @Test func thatOfTheReleasedModel() throws {
        let c = try GLMConfiguration(
            JSONDocument(parsing: Array(Self.released.utf8), source: "config.json").root)
        // 2 · 78 + 2 = 158 calls; 4 · (1 · 6,144 · (2 · 78 + 1) + 1 · 154,880) = 4 · (964,608 + 154,880).
        #expect(c.traffic(rows: 1, logitRows: 1) == (158, 4_477_952))
        // 4 · (512 · 964,608 + 154,880) = 4 · (493,879,296 + 154,880).
        #expect(c.traffic(rows: 512, logitRows: 1) == (158, 1_976_136_704))
        // 4 · (1 · 6,144 + 2 · 1 · 6,144 + 1 · 154,880) = 4 · (18,432 + 154,880).
        #expect(c.draftTraffic(rows: 1, readRows: 1) == (4, 693_248))
        // Four accepted tokens, of which the last is read: 4 · (24,576 + 12,288 + 154,880).
        #expect(c.draftTraffic(rows: 4, readRows: 1) == (4, 766_976))
        // Eight devices, eight sequences, one for each: 2 · 78 + 3 calls; the sums of an attention need nobody else.
        // 4 · (8 · 6,144 · 157 + 8 · 6,144 + 8 · 154,880) = 4 · (7,716,864 + 49,152 + 1,239,040).
        #expect(
            c.traffic(
                rows: 8, ownRows: 1, hiddenRows: 8, logitRows: 8, layout: ParallelLayout(tensor: 8, data: 8))
                == (159, 36_020_224))
    }
}
