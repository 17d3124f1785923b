public import GLMDecoding

/// What a running generation yields.
public enum GenerationEvent: Sendable, Equatable {
    /// New text. Pieces together are the answer.
    case piece(TextPiece)
    /// The last event.
    case finished(GenerationSummary)
}

/// A piece of an answer.
public struct TextPiece: Sendable, Equatable {
    /// May be empty, while a character is incomplete or a stop string possible; never ends inside a character.
    public var text: String
    /// Tokens generated since the last piece; empty for text that was held back until the end.
    public var tokens: [Int32]
}

/// Why an answer ended.
public enum FinishReason: Sendable, Equatable {
    /// The model, or the request's stop tokens, ended it with this token.
    case endToken(Int32)
    /// This stop string occurred. It is not part of the text.
    case stopString(String)
    /// The number of tokens asked for, or the context, is full.
    case length
    /// Nobody listens any more.
    case cancelled

    /// The word that OpenAI's and SGLang's APIs use: `stop`, `length` or `abort`.
    public var word: String {
        switch self {
        case .endToken, .stopString: "stop"
        case .length: "length"
        case .cancelled: "abort"
        }
    }
}

/// What an answer cost.
public struct GenerationSummary: Sendable, Equatable {
    /// Why it ended.
    public var finishReason: FinishReason
    /// Tokens of the prompt.
    public var promptTokens: Int
    /// Generated tokens; the token that ended the answer counts.
    public var completionTokens: Int
    /// From the request to the start of its work.
    public var queueTime: Duration
    /// From there to the first token, the whole prompt included; nil without a token.
    public var promptTime: Duration?
    /// From the first token to the last.
    public var generationTime: Duration
    /// How drafting went; nil for plain decoding.
    public var speculation: SpeculationStatistics?

    /// From the request to its first token; nil without a token.
    public var timeToFirstToken: Duration? { promptTime.map { queueTime + $0 } }
    /// Prompt tokens a second; nil when nothing was measured.
    public var promptTokensPerSecond: Double? { promptTime.flatMap { rate(promptTokens, $0) } }
    /// Tokens a second after the first; nil for fewer than two tokens.
    public var generationTokensPerSecond: Double? { rate(completionTokens - 1, generationTime) }

    private func rate(_ count: Int, _ time: Duration) -> Double? {
        let seconds = time / .seconds(1)
        return count > 0 && seconds > 0 ? Double(count) / seconds : nil
    }
}

/// A whole answer.
public struct Completion: Sendable, Equatable {
    /// All its text.
    public var text: String
    /// All its tokens, with the one that ended it.
    public var tokens: [Int32]
    /// What it cost.
    public var summary: GenerationSummary

    package init(text: String, tokens: [Int32], summary: GenerationSummary) {
        self.text = text
        self.tokens = tokens
        self.summary = summary
    }
}
