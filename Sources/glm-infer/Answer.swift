internal import GLMDecoding
internal import GLMFiles
internal import GLMInference

/// An answer that is being generated for the command line.
struct Answer {
    /// Tokens to generate when the command line does not say.
    static let usualLength = 256

    let generation: Generation

    /// Begins the answer to `prompt` with what the options say.
    static func start(
        _ prompt: [Int32], _ model: GLM, _ options: SamplingOptions, _ speculation: SpeculationOptions,
        verbose: Bool
    ) async throws(InputError) -> Answer {
        var parameters = options.parameters(over: model.defaults.sampling)
        let seed = parameters.seed ?? UInt64.random(in: .min ... .max)
        parameters.seed = seed
        if verbose {
            Console.note(
                "prompt: \(prompt.count) tokens; seed \(seed); temperature \(parameters.temperature), ")
            Console.note("top-p \(parameters.topP), top-k \(parameters.topK.map { "\($0)" } ?? "all"), ")
            Console.note("min-p \(parameters.minP)\n")
        }
        let room = max(1, model.contextSize - prompt.count)
        let generation = try await model.generate(
            tokens: prompt,
            options: GenerationOptions(
                sampling: parameters, maximumTokens: options.maximumTokens ?? min(usualLength, room),
                stopStrings: options.stop, speculation: speculation.parameters()))
        return Answer(generation: generation)
    }

    /// Reads the answer to its end, and shows each piece of text as it comes.
    func collect(_ show: (String) throws(InputError) -> Void) async throws(InputError) -> Completion {
        var text = ""
        var tokens: [Int32] = []
        for await event in generation {
            switch event {
            case .piece(let piece):
                text += piece.text
                tokens += piece.tokens
                if !piece.text.isEmpty { try show(piece.text) }
            case .finished(let summary): return Completion(text: text, tokens: tokens, summary: summary)
            }
        }
        preconditionFailure("a generation without an end")
    }
}
