internal import GLMDecoding
internal import GLMEngine
public import GLMFiles
public import GLMModel
internal import GLMParallel
public import GLMText

/// A loaded model that answers: the one object an embedder needs.
///
/// ```swift
/// let model = try await GLM.load(directory: "GLM-5-FP8")
/// for await event in try await model.generate(prompt: "Once upon a time") {
///     if case .piece(let piece) = event { print(piece.text, terminator: "") }
/// }
/// ```
/// Any number of answers may run at the same time; they share forward passes, and none depends on another. Copies share
/// the model.
public struct GLM: Sendable {
    /// The model's blueprint.
    public var configuration: GLMConfiguration { model.configuration }
    /// Tokens that a prompt and its answer may have together.
    public var contextSize: Int { model.contextSize }
    /// Text to tokens and back.
    public let tokenizer: Tokenizer
    /// What `generation_config.json` recommends; used where a request says nothing.
    public let defaults: GenerationDefaults
    /// Tokens that end an answer.
    public let endTokens: [Int32]

    package let model: LanguageModel
    let documents: ModelDocuments
    private let engine: InferenceEngine<LanguageModel>

    private init(model: LanguageModel, documents: ModelDocuments, scheduling: Scheduler.Options) {
        self.model = model
        self.documents = documents
        tokenizer = documents.tokenizer
        defaults = documents.defaults
        endTokens = documents.endTokens
        engine = InferenceEngine(runner: model, options: scheduling, drafter: EagleDrafter(model))
    }
}

extension GLM {
    /// Loads a folder in the released layout: `config.json`, `tokenizer.json`, safetensors, and `generation_config.json` if
    /// there is one.
    ///
    /// The work is done on a thread of its own; weights stay in the mapped files, except F16, which is widened.
    ///
    /// - Parameters:
    ///   - scheduling: how prompts are cut and how many answers run at the same time; changes no result.
    ///   - progress: called now and then while weights are read, from any thread.
    /// - Throws: an `InputError` that names what is missing, malformed, unsupported or left over.
    public static func load(
        directory: String, options: LoadOptions = LoadOptions(),
        scheduling: SchedulingOptions = SchedulingOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws(InputError) -> GLM {
        try await onThreadOfItsOwn { () throws(InputError) in
            // The small files first: their mistakes are found without touching the weights.
            try loadBlocking(ModelDocuments(directory: directory, options: options), scheduling, progress)
        }
    }

    /// Loads the weights that belong to `documents`, as ``load(directory:options:scheduling:progress:)`` does.
    package static func load(
        _ documents: ModelDocuments, scheduling: SchedulingOptions = SchedulingOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws(InputError) -> GLM {
        try await onThreadOfItsOwn { () throws(InputError) in
            try loadBlocking(documents, scheduling, progress)
        }
    }

    private static func loadBlocking(
        _ documents: ModelDocuments, _ scheduling: SchedulingOptions,
        _ progress: (@Sendable (LoadProgress) -> Void)?
    ) throws(InputError) -> GLM {
        let model = try LanguageModel.load(
            directory: documents.directory, options: documents.options, progress: progress)
        return GLM(
            model: model, documents: documents,
            scheduling: Scheduler.Options(
                prefillChunk: max(1, scheduling.prefillChunk),
                maximumSequences: max(1, scheduling.maximumSequences)))
    }

    static func onThreadOfItsOwn<Value: Sendable>(
        _ body: @escaping @Sendable () throws(InputError) -> Value
    ) async throws(InputError) -> Value {
        let result = await withCheckedContinuation { continuation in
            startThread { continuation.resume(returning: Result { () throws(InputError) in try body() }) }
        }
        return try result.get()
    }
}

extension GLM {
    /// Continues a raw prompt, in which names of special tokens become these tokens.
    ///
    /// Do not put text from outside into a raw prompt; see ``generate(_:options:)-([PromptPart],_)``.
    /// - Throws: an `InputError` if the prompt is empty or too long, or an option out of range.
    public func generate(
        prompt: String, options: GenerationOptions = GenerationOptions()
    ) async throws(InputError) -> Generation {
        try await generate([.markup(prompt)], options: options)
    }

    /// Continues a prompt whose parts say what may become special tokens.
    /// - Throws: as ``generate(prompt:options:)``.
    public func generate(
        _ parts: [PromptPart], options: GenerationOptions = GenerationOptions()
    ) async throws(InputError) -> Generation {
        try await generate(tokens: tokenizer.encode(parts), options: options)
    }

    /// Continues a prompt of tokens.
    /// - Throws: as ``generate(prompt:options:)``, and for a token id the model does not have.
    public func generate(
        tokens: [Int32], options: GenerationOptions = GenerationOptions()
    ) async throws(InputError) -> Generation {
        guard options.stopStrings.allSatisfy({ !$0.isEmpty }) else {
            throw GenerationOptions.emptyStopString
        }
        var sampling = options.sampling ?? defaults.sampling
        if sampling.seed == nil { sampling.seed = UInt64.random(in: .min ... .max) }
        let request = try await engine.submit(
            GenerationRequest(
                prompt: tokens, sampling: sampling, endTokens: endTokens,
                maximumTokens: options.maximumTokens,
                speculation: options.speculation
            ))
        let decoder = IncrementalDecoder(tokenizer, skipSpecial: options.hidesSpecialTokens)
        return Generation(
            promptTokens: tokens, request: request,
            assembler: TextAssembler(decoder: decoder, stops: options.stopStrings))
    }
}
