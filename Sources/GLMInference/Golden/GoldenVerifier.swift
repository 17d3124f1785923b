public import GLMFiles
import GLMKernels
public import GLMModel
import GLMTensor

/// Runs a checkpoint on the inputs of a golden folder and compares every quantity the folder holds.
///
/// A folder holds `golden.safetensors`, `golden.json` (epsilons; `"exact_at_level"` of a dump asks for equal
/// bits) and a checkpoint in `bf16/`, `fp8/` or both. Where both are present the goldens are those of
/// `bf16/`, and `fp8.*` those of `fp8/`.
public struct GoldenVerifier {
    private let directory: String
    private let goldens: [String: GoldenArray]
    private let settings: GoldenSettings

    /// Opens a golden folder.
    /// - Throws: `InputError` when the folder is not one.
    public init(directory: String) throws(InputError) {
        self.directory = directory
        goldens = try GoldenFile.read(path: directory + "/golden.safetensors")
        guard !goldens.isEmpty else {
            throw InputError(
                .badInput, file: directory + "/golden.safetensors", found: "no quantity in it",
                expected: "what there is to compare")
        }
        settings = try GoldenSettings.load(path: directory + "/golden.json")
    }

    /// Compares everything; one row a quantity, in the order of their names.
    ///
    /// `options.latentNormEpsilon` is replaced by what `golden.json` says, `options.gemm` by what a dump says, and each quantity is computed in the
    /// numerics its name asks for: `fp8.gemm.*` and `fp8.w8a8.*` with quantised inputs and on one device, all others in
    /// Float32 or what a dump says. Of several processes only the first has a report with rows.
    public func verify(options: LoadOptions) throws(InputError) -> GoldenReport {
        var options = options
        options.numerics = settings.numerics
        options.cacheFormat = settings.cacheFormat
        options.latentNormEpsilon = settings.latentNormEpsilon
        options.gemm = settings.gemm ?? options.gemm
        try settings.check(level: options.instructionSet, file: directory + "/golden.json")
        var computed: [String: GoldenArray] = [:]
        let folders = try checkpointFolders()
        let isFirst = options.devices.isFirst
        try lead(folders.main, options: options) { (model) throws(InputError) in
            try computeAll(with: GoldenReproduction(model), vocabulary: model.configuration, into: &computed)
        }
        if goldens["fp8.dequant.logits"] != nil {
            guard let twin = folders.fp8Twin else {
                throw InputError(
                    .noSuchFile, file: directory, subject: "fp8.dequant.logits",
                    found: "no checkpoint in fp8/",
                    expected: "the FP8 twin that it belongs to")
            }
            try lead(twin, options: options) { (model) throws(InputError) in
                let ids = try tokens("long.input_ids", model.configuration)
                computed["fp8.dequant.logits"] =
                    GoldenReproduction(model).prompt(ids, prefix: "x", withCaches: false)["x.logits"]
            }
        }
        guard isFirst else { return GoldenReport(rows: []) }
        if goldens.keys.contains(where: { $0.hasPrefix("fp8.gemm.") || $0.hasPrefix("fp8.w8a8.") }),
            let twin = folders.fp8Twin
        {
            options.numerics = .w8a8
            options.gemm = .own
            // Layers are fed by hand, which is not the way of a group; and groups of inputs would be cut.
            options.devices = DeviceOptions()
            let quantized = GoldenQuantization(
                try load(twin, options: options), goldens: goldens, file: directory + "/golden.safetensors")
            computed.merge(try quantized.product()) { $1 }
            computed.merge(
                try quantized.layers(tokens: tokens("long.input_ids", quantized.configuration))
            ) { $1 }
        }
        return GoldenReport(rows: goldens.keys.sorted().compactMap { row($0, computed: computed) })
    }

    private func row(_ quantity: String, computed: [String: GoldenArray]) -> GoldenReport.Row? {
        guard !GoldenVerifier.isInput(quantity), let expected = goldens[quantity] else { return nil }
        guard let found = computed[quantity] else {
            return GoldenReport.Row(
                quantity: quantity, outcome: .notCovered, largestError: nil, tolerance: nil,
                detail: "this version computes nothing to compare with it")
        }
        return GoldenComparison(quantity: quantity, exact: settings.exact)
            .compare(quantity, expected: expected, found: found)
    }

    /// Endings of the names that are given to the engine, not computed by it.
    private static let inputs = [
        ".input_ids", "decode.prompt", "decode.forced", "greedy.prompt", "mtp.tokens", "mtp.prev_hidden",
        "fp8.gemm.input",
    ]

    private static func isInput(_ quantity: String) -> Bool { inputs.contains { quantity.hasSuffix($0) } }

    private func checkpointFolders() throws(InputError) -> (main: String, fp8Twin: String?) {
        let (bf16, fp8) = (directory + "/bf16", directory + "/fp8")
        let present = [bf16, fp8].filter { folder in
            (try? MappedFile.open(path: folder + "/config.json")) != nil
        }
        guard let main = present.first else {
            throw InputError(
                .noSuchFile, file: directory, found: "no checkpoint in bf16/ or fp8/",
                expected: "a folder as the golden generator writes it")
        }
        return (main, present.contains(fp8) ? fp8 : nil)
    }

    private func load(_ folder: String, options: LoadOptions) throws(InputError) -> LanguageModel {
        let model = try LanguageModel.load(directory: folder, options: options)
        try settings.check(model.configuration, file: directory + "/golden.json")
        return model
    }

    /// Lets `body` work with a model, together with the other devices; on those it does what the first one says.
    private func lead(
        _ folder: String, options: LoadOptions, _ body: (LanguageModel) throws(InputError) -> Void
    ) throws(InputError) {
        let model = try load(folder, options: options)
        guard options.devices.isFirst else { return model.follow() }
        try body(model)
        model.disband()
    }

    private func computeAll(
        with reproduction: GoldenReproduction, vocabulary: GLMConfiguration,
        into computed: inout [String: GoldenArray]
    ) throws(InputError) {
        for prefix in ["short", "long"] where holds(prefix + ".") {
            let ids = try tokens(prefix + ".input_ids", vocabulary)
            computed.merge(reproduction.prompt(ids, prefix: prefix, withCaches: true)) { $1 }
        }
        if holds("decode.") {
            let prompt = try tokens("decode.prompt", vocabulary)
            let forced = try tokens("decode.forced", vocabulary, after: prompt.count)
            computed.merge(reproduction.decode(prompt: prompt, forced: forced)) { $1 }
        }
        if holds("greedy.") {
            let prompt = try tokens("greedy.prompt", vocabulary)
            let steps = try draftSteps(vocabulary)
            let wanted = try tokens("greedy.tokens", vocabulary, after: prompt.count + (steps ?? 0)).count
            computed.merge(reproduction.greedy(prompt: prompt, count: wanted)) { $1 }
            if let steps {
                computed.merge(reproduction.speculation(prompt: prompt, steps: steps, count: wanted)) { $1 }
            }
        }
        if holds("mtp."), vocabulary.nextTokenLayerCount > 0 {
            let ids = try tokens("mtp.tokens", vocabulary)
            let hidden = try previousHidden(rows: ids.count - 1, width: vocabulary.hiddenSize)
            computed.merge(reproduction.nextToken(tokens: ids, previousHidden: hidden)) { $1 }
        }
    }

    /// Draft steps of a round, whose row is root, drafts and accepted count; nil without rounds or without MTP layer.
    private func draftSteps(_ configuration: GLMConfiguration) throws(InputError) -> Int? {
        let name = "spec.rounds"
        guard let shape = goldens[name]?.shape, configuration.nextTokenLayerCount > 0 else { return nil }
        guard shape.count == 2, (3...66).contains(shape[1]) else {
            throw InputError(
                .badInput, file: directory + "/golden.safetensors", subject: name, found: "shape \(shape)",
                expected: "I32 [rounds, 2 + draft steps], 1 to 64 steps")
        }
        return shape[1] - 2
    }

    private func previousHidden(rows: Int, width: Int) throws(InputError) -> Tensor {
        let name = "mtp.prev_hidden"
        guard rows > 0, let array = goldens[name], case .float(let values) = array.values,
            array.shape == [rows, width]
        else {
            throw InputError(
                .badInput, file: directory + "/golden.safetensors", subject: name,
                found: "shape \(goldens[name]?.shape ?? [])", expected: "F32 [\(rows), \(width)]")
        }
        return Tensor(shape: array.shape, values: values)
    }

    /// Whether there is a quantity of this group to compare; then its inputs must be there too.
    private func holds(_ group: String) -> Bool {
        goldens.keys.contains { $0.hasPrefix(group) && !GoldenVerifier.isInput($0) }
    }

    /// Token ids of a golden file are input like any other: checked before they index anything.
    ///
    /// - Parameter earlier: tokens that precede them in the context.
    private func tokens(
        _ name: String, _ configuration: GLMConfiguration, after earlier: Int = 0
    ) throws(InputError) -> [Int32] {
        let file = directory + "/golden.safetensors"
        guard let array = goldens[name], case .integer(let ids) = array.values, !ids.isEmpty,
            array.shape.count == 1
        else {
            throw InputError(
                .badInput, file: file, subject: name, found: "no list of token ids", expected: "I32 [tokens]")
        }
        guard ids.allSatisfy({ (0..<configuration.vocabularySize).contains(Int($0)) }) else {
            throw InputError(
                .badInput, file: file, subject: name, found: "ids outside the model's vocabulary",
                expected: "ids below \(configuration.vocabularySize)")
        }
        guard ids.count <= configuration.maximumPositions - earlier else {
            throw InputError(
                .badInput, file: file, subject: name, found: "\(earlier + ids.count) tokens in all",
                expected: "at most \(configuration.maximumPositions), the model's max_position_embeddings")
        }
        return ids
    }
}
