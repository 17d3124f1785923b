package import GLMDecoding
package import GLMFiles

/// A prompt to be continued.
package struct GenerationRequest: Sendable, Equatable {
    /// Token ids, at least one.
    package var prompt: [Int32]
    package var sampling: SamplingParameters
    /// The model's own end tokens; they end the request unless `sampling.ignoresEndTokens` is set.
    package var endTokens: [Int32]
    /// Tokens to generate; nil is all that the context has room for.
    package var maximumTokens: Int?
    /// Whether and how tokens are drafted; nil decodes plainly. The tokens are the same.
    package var speculation: SpeculationParameters?

    package init(
        prompt: [Int32], sampling: SamplingParameters, endTokens: [Int32], maximumTokens: Int?,
        speculation: SpeculationParameters? = nil
    ) {
        self.prompt = prompt
        self.speculation = speculation
        self.sampling = sampling
        self.endTokens = endTokens
        self.maximumTokens = maximumTokens
    }

    /// All tokens that end this request.
    var stops: [Int32] { sampling.stopTokens + (sampling.ignoresEndTokens ? [] : endTokens) }

    /// Checks the request against a model before anything is computed.
    /// - Parameter drafts: whether there is a drafter.
    /// - Throws: an `InputError` of kind `badInput` for the prompt, of kind `usage` for numbers.
    package func validate(vocabularySize: Int, contextSize: Int, drafts: Bool) throws(InputError) {
        if let speculation {
            try speculation.validate()
            guard drafts else {
                throw InputError(
                    .usage, subject: "--speculative-algorithm EAGLE", found: "a model without an MTP layer",
                    expected: "num_nextn_predict_layers of 1 in config.json")
            }
        }
        guard !prompt.isEmpty else {
            throw InputError(.badInput, subject: "prompt", found: "no tokens", expected: "at least one token")
        }
        guard let last = prompt.first(where: { !(0..<vocabularySize).contains(Int($0)) }) else {
            try validateLengths(contextSize)
            try sampling.validate(vocabularySize: vocabularySize)
            return
        }
        throw InputError(
            .badInput, subject: "prompt", found: "token id \(last)", expected: "ids below \(vocabularySize)")
    }

    private func validateLengths(_ contextSize: Int) throws(InputError) {
        guard prompt.count < contextSize else {
            throw InputError(
                .badInput, subject: "prompt", found: "\(prompt.count) tokens",
                expected: "fewer than the \(contextSize) of the context",
                remedy: "shorten it or raise --ctx-size")
        }
        guard let maximumTokens else { return }
        guard maximumTokens >= 1 else {
            throw InputError(.usage, subject: "max_tokens", found: "\(maximumTokens)", expected: "at least 1")
        }
        guard maximumTokens <= contextSize - prompt.count else {
            throw InputError(
                .usage, subject: "max_tokens",
                found: "\(maximumTokens) after a prompt of \(prompt.count) tokens",
                expected: "at most \(contextSize) tokens in all")
        }
    }
}
