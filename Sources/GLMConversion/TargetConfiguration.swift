// From a configuration and a wish to types of tensors and to the text of the target's config.json. Knows no tensor.

import GLMFiles
import GLMModel
import GLMSynthesis
import GLMWeights

/// What a checkpoint shall become, decided once for all its tensors.
struct TargetConfiguration {
    /// What a tensor is to the released layouts.
    enum Role {
        /// A weight that the released FP8 checkpoint quantises.
        case linear
        /// A weight that stays BF16 there: embedding, head, norms, router, `eh_proj`, `indexer.weights_proj`.
        case plain
        /// F32 in every released checkpoint: the router's bias.
        case bias
        /// Outside the layout.
        case other

        /// - Parameter type: of the tensor in the released FP8 layout.
        init(_ type: ElementType) {
            switch type {
            case .float8E4M3: self = .linear
            case .float32: self = .bias
            default: self = .plain
            }
        }
    }

    private let original: JSON
    private let configuration: GLMConfiguration
    private let options: ConversionOptions
    /// Rows and columns that share a multiplier: the source's, else 128 × 128.
    let block: BlockShape
    /// How weights are quantised that are not FP8 yet.
    let scaleFormat: ScaleFormat
    /// Whether those that are FP8 already are quantised anew, because their scales are not as asked for.
    let quantizesAnew: Bool

    /// Whether the target has FP8 weights.
    private let isQuantized: Bool

    /// - Throws: `usage` for a scale format without FP8.
    init(
        _ original: JSON, _ configuration: GLMConfiguration, _ options: ConversionOptions
    ) throws(InputError) {
        self.original = original
        self.configuration = configuration
        self.options = options
        let size = configuration.weightBlock ?? CheckpointLayout.defaultBlock
        block = BlockShape(rows: size.rows, columns: size.columns)
        let isPowerOfTwo =
            original["quantization_config"]?["scale_fmt"] == .string(ScaleFormat.powerOfTwo.rawValue)
        scaleFormat = options.scaleFormat ?? (isPowerOfTwo ? .powerOfTwo : .float32)
        quantizesAnew = scaleFormat == .powerOfTwo && !isPowerOfTwo
        let becomesFloat8 = options.format.map { $0 == .float8 } ?? (configuration.weightBlock != nil)
        guard becomesFloat8 || options.scaleFormat == nil else {
            throw InputError(
                .usage, subject: "scale format", found: "\(scaleFormat.rawValue) for weights without scales",
                expected: "it with FP8 only")
        }
        isQuantized = becomesFloat8
    }

    /// The element type of the target.
    func type(of role: Role, stored: ElementType) -> ElementType {
        let isNumber = [.float32, .bfloat16, .float16, .float8E4M3].contains(stored)
        guard let format = options.format, isNumber else { return stored }
        switch (format, role) {
        case (.float32, _), (.bfloat16, .bias), (.float8, .bias): return .float32
        case (.float8, .linear): return .float8E4M3
        case (.float8, .other) where stored == .float8E4M3: return stored
        case (.bfloat16, _), (.float8, _): return .bfloat16
        }
    }

    /// `config.json`, with `dtype` and `quantization_config` of the target; everything else as it was.
    var document: JSON {
        var document = original
        if let format = options.format {
            let type: JSON = format == .float32 ? "float32" : "bfloat16"
            document = document.setting("dtype", type)
            if document["torch_dtype"] != nil { document = document.setting("torch_dtype", type) }
        }
        guard isQuantized else { return document.setting("quantization_config", nil) }
        let old = configuration.weightBlock == nil ? nil : document["quantization_config"]
        var quantization = old ?? quantization()
        switch options.scaleFormat {
        case .powerOfTwo: quantization = quantization.setting("scale_fmt", "ue8m0")
        case .float32: quantization = quantization.setting("scale_fmt", nil)
        case nil: break
        }
        return document.setting("quantization_config", quantization)
    }

    /// The block of the released FP8 configuration.
    private func quantization() -> JSON {
        [
            "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
            "weight_block_size": [.integer(block.rows), .integer(block.columns)],
            "modules_to_not_convert": .array(unquantizedModules().map { .string($0) }),
        ]
    }

    /// What the released list names: each tensor that is not FP8, without `.weight`, layer by layer in the order of the
    /// full names. The released list says `indexers_proj` where the tensor is `indexer.weights_proj`: both are here.
    ///
    /// Source: specification §1.2.
    func unquantizedModules() -> [String] {
        let layout = CheckpointLayout(configuration, format: .float8)
        var layers: [Int: [String]] = [:]
        for tensor in layout.tensors where tensor.type != .float8E4M3 && !tensor.isScale {
            let parts = tensor.name.split(separator: ".")
            guard parts.count > 3, parts[1] == "layers", let layer = Int(parts[2]) else { continue }
            layers[layer, default: []].append(tensor.name)
            let suffix = "indexer.weights_proj.weight"
            if tensor.name.hasSuffix(suffix) {
                layers[layer, default: []].append(tensor.name.dropLast(suffix.count) + "indexers_proj.weight")
            }
        }
        var modules = ["lm_head", "model.embed_tokens", "model.norm"]
        for layer in layers.keys.sorted() {
            for name in (layers[layer] ?? []).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
                modules.append(name.hasSuffix(".weight") ? String(name.dropLast(7)) : name)
            }
        }
        return modules
    }
}
