public import GLMDecoding
package import GLMFiles

/// What a request asks for.
public struct GenerationOptions: Sendable, Equatable {
    /// How tokens are chosen; nil is what the model recommends.
    public var sampling: SamplingParameters?
    /// Tokens to generate at most; nil is all that the context has room for.
    public var maximumTokens: Int?
    /// Texts that end the answer; they are cut off.
    public var stopStrings: [String]
    /// Whether special tokens, such as `<|user|>`, are left out of the text. `<think>` and the markup of tool calls are
    /// not special and always stay.
    public var hidesSpecialTokens: Bool
    /// Whether and how tokens are drafted by the MTP layer and verified together; nil is plain decoding. At the usual
    /// thresholds the tokens are the same.
    public var speculation: SpeculationParameters?

    /// What is left out: the model's sampling, no bound but the context, no stop strings, plain decoding.
    public init(
        sampling: SamplingParameters? = nil, maximumTokens: Int? = nil, stopStrings: [String] = [],
        hidesSpecialTokens: Bool = true, speculation: SpeculationParameters? = nil
    ) {
        self.sampling = sampling
        self.speculation = speculation
        self.maximumTokens = maximumTokens
        self.stopStrings = stopStrings
        self.hidesSpecialTokens = hidesSpecialTokens
    }

    /// Every text ends with an empty one.
    package static var emptyStopString: InputError {
        InputError(.usage, subject: "stop", found: "an empty text", expected: "at least one character")
    }
}

/// How answers share the machine. Changes speed and memory, never a result.
public struct SchedulingOptions: Sendable, Equatable {
    /// Prompt tokens that one forward pass takes at most; at least 1.
    public var prefillChunk: Int
    /// Answers that run at the same time, others wait; at least 1.
    public var maximumSequences: Int

    /// 512 tokens, 32 answers.
    public init(prefillChunk: Int = 512, maximumSequences: Int = 32) {
        self.prefillChunk = prefillChunk
        self.maximumSequences = maximumSequences
    }
}
