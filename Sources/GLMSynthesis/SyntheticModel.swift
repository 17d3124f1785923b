// A synthetic checkpoint before it is written: all its files as values. Knows no disk.

package import GLMFiles
package import GLMModel
import GLMWeights

/// A configuration, the layout it implies, and the texts that lie beside the weights.
package struct SyntheticModel: Sendable {
    /// `config.json` as it will be written.
    package let document: JSON
    package let configuration: GLMConfiguration
    package let layout: CheckpointLayout
    package let seed: UInt64
    /// nil when the vocabulary cannot hold 256 bytes and the added tokens: such a model has no tokenizer.
    package let tokens: TokenPlan?

    /// - Parameter document: a `config.json` of the released kind; what format and vocabulary decide
    ///   (`dtype`, `quantization_config`, end and padding tokens) is written anew.
    /// - Parameter source: names the document in errors.
    /// - Throws: `InputError.badInput` when the configuration is incomplete or contradicts itself.
    package init(
        _ document: JSON, source: String, format: CheckpointFormat, seed: UInt64
    ) throws(InputError) {
        let original = try SyntheticModel.parse(document, source: source)
        tokens = TokenPlan(vocabularySize: original.vocabularySize)
        let block = original.weightBlock ?? CheckpointLayout.defaultBlock
        var written = document.setting("dtype", format == .float32 ? "float32" : "bfloat16").setting(
            "torch_dtype", nil)
        if let tokens {
            written = written.setting("eos_token_id", .array(tokens.endOfSequence.map { .integer(Int($0)) }))
                .setting("pad_token_id", .integer(Int(tokens.padding)))
        }
        let layout = CheckpointLayout(original, format: format)
        written = written.setting(
            "quantization_config", format == .float8 ? SyntheticModel.quantization(layout, block: block) : nil
        )
        configuration = try SyntheticModel.parse(written, source: source)
        self.document = written
        self.layout = layout
        self.seed = seed
    }

    /// A named size.
    package init(
        _ preset: Preset, changes: Preset.Changes = Preset.Changes(), format: CheckpointFormat, seed: UInt64
    ) throws(InputError) {
        try self.init(preset.document(changes), source: preset.rawValue, format: format, seed: seed)
    }

    /// The text files, `config.json` last: without it nothing loads.
    package var texts: [(name: String, bytes: [UInt8])] {
        var files: [(name: String, bytes: [UInt8])] = []
        if let tokens {
            let tokenizer = SyntheticTokenizer(tokens)
            files.append(("tokenizer.json", tokenizer.document.bytes()))
            files.append(("tokenizer_config.json", tokenizer.configuration.bytes(.indented)))
            files.append(("chat_template.jinja", Array(SyntheticTemplate.text.utf8)))
        }
        files.append(("generation_config.json", generation.bytes(.indented)))
        files.append(("config.json", document.bytes(.indented)))
        return files
    }

    /// Draws the tensors; one generator for each entry of `specifications`.
    package func generators(for specifications: [TensorSpecification]) -> [TensorGenerator] {
        let codes = CodeTable()
        let follow = FollowPlan(tokens: tokens, vocabularySize: configuration.vocabularySize, seed: seed)
        return specifications.map { TensorGenerator($0, seed: seed, follow: follow, codes: codes) }
    }

    private var generation: JSON {
        var members = [JSON.Member("_from_model_config", true)]
        for key in ["eos_token_id", "pad_token_id"] {
            if let value = document[key] { members.append(JSON.Member(key, value)) }
        }
        return .object(
            members + [JSON.Member("temperature", .number("1.0")), JSON.Member("top_p", .number("0.95"))])
    }

    /// The block of the released FP8 configuration; the skip list names what the layout keeps in BF16 or F32.
    private static func quantization(_ layout: CheckpointLayout, block: GLMConfiguration.WeightBlock) -> JSON
    {
        let kept = layout.tensors.filter { $0.type != .float8E4M3 && !$0.isScale }.map { tensor in
            JSON.string(tensor.name.hasSuffix(".weight") ? String(tensor.name.dropLast(7)) : tensor.name)
        }
        return [
            "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
            "weight_block_size": [.integer(block.rows), .integer(block.columns)],
            "modules_to_not_convert": .array(kept),
        ]
    }

    private static func parse(_ document: JSON, source: String) throws(InputError) -> GLMConfiguration {
        try GLMConfiguration(JSONDocument(parsing: document.bytes(), source: source).root)
    }
}

extension JSON {
    /// This object with `key` set in its place or appended; nil removes it. Another kind of value stays as it
    /// is.
    package func setting(_ key: String, _ value: JSON?) -> JSON {
        guard case .object(var members) = self else { return self }
        let place = members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
        switch (place, value) {
        case (let place?, let value?): members[place].value = value
        case (let place?, nil): members.remove(at: place)
        case (nil, let value?): members.append(Member(key, value))
        case (nil, nil): break
        }
        return .object(members)
    }
}
