public import GLMFiles
import GLMKernels
public import GLMModel

/// Writes every intermediate of a prompt in the layout of the golden files, so that other implementations can
/// compare themselves with this one, and `GoldenVerifier` finds equal bits.
public struct GoldenDump: Sendable {
    package let model: LanguageModel
    private let modelDirectory: String
    private let options: LoadOptions

    /// Tokens continued greedily under `greedy.*`.
    private static let greedyTokens = 16
    /// Tokens forced one at a time under `decode.*`, at most half of the prompt.
    private static let forcedTokens = 10
    /// A dump holds everything in memory before it is written.
    private static let mostBytes = 4 << 30

    /// Dumps with a model that is loaded already.
    init(model: LanguageModel, modelDirectory: String, options: LoadOptions) {
        self.model = model
        self.modelDirectory = modelDirectory
        self.options = options
    }

    /// Loads the checkpoint in `modelDirectory`.
    public init(modelDirectory: String, options: LoadOptions) throws(InputError) {
        model = try LanguageModel.load(directory: modelDirectory, options: options)
        self.modelDirectory = modelDirectory
        self.options = options
    }

    /// Runs `prompt` and writes `golden.safetensors`, `golden.json` and a link to the checkpoint into
    /// `directory`.
    ///
    /// Quantities: `long.*` of the whole prompt, `decode.*` of its last tokens forced one at a time,
    /// `greedy.*` of a greedy continuation.
    /// - Throws: `InputError` for an empty or too long prompt, ids outside the vocabulary, or a failing disk.
    public func write(prompt: [Int32], to directory: String) throws(InputError) {
        try GoldenDump.check(prompt, model.configuration, contextSize: model.contextSize)
        let reproduction = GoldenReproduction(model)
        var arrays = reproduction.prompt(prompt, prefix: "long", withCaches: true)
        arrays["long.input_ids"] = ids(prompt)
        arrays.merge(reproduction.greedy(prompt: prompt, count: GoldenDump.greedyTokens)) { $1 }
        arrays["greedy.prompt"] = ids(prompt)
        let forced = min(GoldenDump.forcedTokens, prompt.count / 2)
        if forced > 0 {
            let (head, tail) = (Array(prompt.dropLast(forced)), Array(prompt.suffix(forced)))
            arrays.merge(reproduction.decode(prompt: head, forced: tail)) { $1 }
            arrays["decode.prompt"] = ids(head)
            arrays["decode.forced"] = ids(tail)
        }
        try Directory.create(directory)
        try GoldenFile.write(arrays, path: directory + "/golden.safetensors")
        try linkCheckpoint(in: directory)
        try AtomicFile.write(settings().json.text(.indented) + "\n", to: directory + "/golden.json")
    }

    private func ids(_ tokens: [Int32]) -> GoldenArray {
        GoldenArray(shape: [tokens.count], values: .integer(tokens))
    }

    /// - Throws: `InputError` for a prompt that `write(prompt:to:)` refuses, without the model.
    package static func check(
        _ prompt: [Int32], _ configuration: GLMConfiguration, contextSize: Int
    ) throws(InputError) {
        guard !prompt.isEmpty else {
            throw InputError(.badInput, subject: "prompt", found: "no tokens", expected: "at least one")
        }
        guard prompt.count <= contextSize - greedyTokens else {
            throw InputError(
                .badInput, subject: "prompt", found: "\(prompt.count) tokens",
                expected: "at most \(contextSize - greedyTokens), the context less the greedy tokens")
        }
        if let outside = prompt.first(where: { !(0..<configuration.vocabularySize).contains(Int($0)) }) {
            throw InputError(
                .badInput, subject: "prompt", found: "token \(outside)",
                expected: "ids below \(configuration.vocabularySize)")
        }
        let rows = prompt.count
        let perRow =
            4 * (2 * configuration.layerCount + 3) * configuration.hiddenSize + 4
            * configuration.vocabularySize
            + configuration.layerCount * (5 * rows + 4 * configuration.routedExpertCount)
        guard perRow < mostBytes / rows else {
            throw InputError(
                .badInput, subject: "prompt",
                found: "\(rows) tokens, whose intermediates take more than 4 GiB",
                expected: "a shorter prompt")
        }
    }

    /// `bf16` or `fp8`, as the checkpoint has it, points to the checkpoint; a link of an earlier dump goes.
    private func linkCheckpoint(in directory: String) throws(InputError) {
        let (name, other) = model.configuration.weightBlock == nil ? ("bf16", "fp8") : ("fp8", "bf16")
        try SymbolicLink.remove(directory + "/" + other)
        try SymbolicLink.replace(at: directory + "/" + name, with: modelDirectory)
    }

    private func settings() -> GoldenSettings {
        GoldenSettings(
            latentNormEpsilon: options.latentNormEpsilon, rmsNormEpsilon: model.configuration.rmsNormEpsilon,
            indexKeyEpsilon: LightningIndexer.keyNormEpsilon,
            exactLevel: options.instructionSet.name,
            numerics: options.numerics, cacheFormat: options.cacheFormat, gemm: options.gemm)
    }
}
