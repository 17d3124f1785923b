internal import ArgumentParser
internal import GLMDecoding
internal import GLMInference

/// How tokens are chosen and what ends the answer. What is left out comes from the model's generation_config.json, then
/// from GLM's recommendation: temperature 1, top-p 0.95.
struct SamplingOptions: ParsableArguments {
    @Option(
        name: [.customShort("n"), .customLong("max-tokens")],
        help: "Tokens to generate at most (default: 256, or what fits).")
    var maximumTokens: Int?

    @Option(
        name: .long, parsing: .unconditional,
        help: "Divides the logits; 0 always takes the most probable token.")
    var temperature: Float?

    @Option(name: .long, parsing: .unconditional, help: "Keep the most probable tokens up to this mass.")
    var topP: Float?

    @Option(
        name: .long, parsing: .unconditional,
        help: "Keep this many of the most probable tokens; 0 or -1 keeps all.")
    var topK: Int?

    @Option(
        name: .long, parsing: .unconditional, help: "Drop tokens below this share of the largest probability."
    )
    var minP: Float?

    @Option(name: .long, parsing: .unconditional, help: "Weakens tokens of prompt and answer; 1 is off.")
    var repetitionPenalty: Float?

    @Option(name: .long, parsing: .unconditional, help: "Subtracted for each time a token was generated.")
    var frequencyPenalty: Float?

    @Option(name: .long, parsing: .unconditional, help: "Subtracted once a token was generated.")
    var presencePenalty: Float?

    @Option(
        name: .long, help: "ID=BIAS, also ID+BIAS or ID-BIAS: added to the logit of a token. May be repeated."
    )
    var logitBias: [BiasArgument] = []

    @Option(
        name: .long, parsing: .unconditional,
        help: "Key of the randomness; the same seed gives the same text. -1: none.")
    var seed: SeedArgument?

    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: "Text that ends the answer and is cut off. May be repeated.")
    var stop: [String] = []

    @Option(name: .long, help: "Token that ends the answer. May be repeated.")
    var stopTokenId: [Int32] = []

    @Flag(name: .customLong("ignore-eos"), help: "Treat the model's end tokens like any other.")
    var ignoreEndTokens = false

    /// What was said here, over `defaults`.
    func parameters(over defaults: SamplingParameters) -> SamplingParameters {
        var parameters = defaults
        parameters.temperature = temperature ?? defaults.temperature
        parameters.topP = topP ?? defaults.topP
        if let topK { parameters.topK = topK == 0 || topK == -1 ? nil : topK }
        parameters.minP = minP ?? defaults.minP
        parameters.repetitionPenalty = repetitionPenalty ?? defaults.repetitionPenalty
        parameters.frequencyPenalty = frequencyPenalty ?? defaults.frequencyPenalty
        parameters.presencePenalty = presencePenalty ?? defaults.presencePenalty
        parameters.logitBias += logitBias.map(\.bias)
        parameters.seed = seed?.seed
        parameters.stopTokens += stopTokenId
        parameters.ignoresEndTokens = ignoreEndTokens
        return parameters
    }
}

/// A seed, or -1 for one that nobody can repeat, as llama.cpp's users write it.
struct SeedArgument: ExpressibleByArgument {
    let seed: UInt64?

    init?(argument: String) {
        guard argument != "-1" else {
            seed = nil
            return
        }
        guard let seed = UInt64(argument) else { return nil }
        self.seed = seed
    }
}

/// `15043=-2.5`, `15043+1` or `15043-1`, as llama.cpp's users write it.
struct BiasArgument: ExpressibleByArgument {
    let bias: TokenBias

    init?(argument: String) {
        guard let border = argument.firstIndex(where: { !("0"..."9").contains($0) }) else { return nil }
        let number = argument[border] == "=" ? argument[border...].dropFirst() : argument[border...]
        guard let token = Int32(argument[..<border]), let value = Float(number) else { return nil }
        bias = TokenBias(token: token, bias: value)
    }
}
