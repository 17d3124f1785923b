public import GLMFiles

/// How the next token is chosen from a row of logits, and when a request ends by a token.
///
/// The initial value is neutral: temperature 1, no filter, no penalty, one draw from the model's own
/// distribution. Where a user left something out, the model's `generation_config.json` speaks first.
/// Source: specification §11; SGLang `SamplingParams`.
public struct SamplingParameters: Sendable, Equatable {
    /// Logits are divided by it. Below `greedyTemperature` the largest logit wins, ties to the lower id.
    public var temperature: Float = 1
    /// Tokens that may be drawn, counted from the most probable; nil is all of them.
    public var topK: Int?
    /// A token is dropped when the mass of all more probable ones, measured on the full distribution, exceeds
    /// this.
    public var topP: Float = 1
    /// A token is dropped when its probability is below this share of the largest probability.
    public var minP: Float = 0
    /// Positive logits of tokens seen in prompt or answer are divided by it, negative ones multiplied; 1 is
    /// off.
    public var repetitionPenalty: Float = 1
    /// Subtracted from a token's logit once for each time it was generated.
    public var frequencyPenalty: Float = 0
    /// Subtracted once from the logit of every token that was generated at all.
    public var presencePenalty: Float = 0
    /// Added to the logits of single tokens, after the penalties. A later entry of the same token adds to an
    /// earlier one.
    public var logitBias: [TokenBias] = []
    /// Tokens that are generated before a token may end the request.
    public var minimumTokens: Int = 0
    /// Key of the request's randomness; nil asks for one that nobody can repeat.
    public var seed: UInt64?
    /// Tokens that end the request beside the model's own end tokens.
    public var stopTokens: [Int32] = []
    /// Whether the model's own end tokens are ordinary tokens. `stopTokens` end the request all the same.
    public var ignoresEndTokens = false

    /// Neutral values.
    public init() {}

    /// Always the most probable token.
    public static var greedy: SamplingParameters {
        var parameters = SamplingParameters()
        parameters.temperature = 0
        return parameters
    }

    /// Temperatures below it mean "greedy": a division by them would only lose digits.
    public static let greedyTemperature: Float = 1e-6

    /// Whether no randomness is used.
    public var isGreedy: Bool { temperature < SamplingParameters.greedyTemperature }

    /// Checks all ranges at once, and that every token named lies in a vocabulary of `vocabularySize`.
    /// - Throws: an `InputError` of kind `usage` that names the first parameter that is out of range.
    public func validate(vocabularySize: Int) throws(InputError) {
        try require("temperature", temperature, temperature.isFinite && temperature >= 0, "a number ≥ 0")
        try require("top_k", topK ?? 1, (topK ?? 1) >= 1, "at least 1, or none for all tokens")
        try require("top_p", topP, topP > 0 && topP <= 1, "a number in (0, 1]")
        try require("min_p", minP, (0...1).contains(minP), "a number in [0, 1]")
        let repetition = repetitionPenalty
        try require("repetition_penalty", repetition, repetition > 0 && repetition.isFinite, "a number > 0")
        try require(
            "frequency_penalty", frequencyPenalty, frequencyPenalty.magnitude <= 2, "a number in [-2, 2]")
        try require(
            "presence_penalty", presencePenalty, presencePenalty.magnitude <= 2, "a number in [-2, 2]")
        try require("min_tokens", minimumTokens, minimumTokens >= 0, "a number ≥ 0")
        for entry in logitBias {
            try require("logit_bias", entry.bias, entry.bias.isFinite, "a finite number")
        }
        let vocabulary = 0..<vocabularySize
        let wish = "a token id below \(vocabularySize)"
        for token in logitBias.map(\.token) {
            try require("logit_bias", token, vocabulary.contains(Int(token)), wish)
        }
        for token in stopTokens {
            try require("stop_token_ids", token, vocabulary.contains(Int(token)), wish)
        }
    }

    private func require(
        _ name: String, _ value: some CustomStringConvertible, _ holds: Bool, _ expected: String
    ) throws(InputError) {
        guard !holds else { return }
        throw InputError(.usage, subject: name, found: value.description, expected: expected)
    }
}

/// A number that is added to one token's logit.
public struct TokenBias: Sendable, Equatable {
    /// Below the vocabulary's size.
    public var token: Int32
    /// Finite; added before the temperature divides.
    public var bias: Float

    /// `bias` for `token`.
    public init(token: Int32, bias: Float) {
        self.token = token
        self.bias = bias
    }
}
