import GLMDecoding
import GLMFiles
import Testing

@Test func neutralParametersAreValid() throws {
    try SamplingParameters().validate(vocabularySize: 4)
    try SamplingParameters.greedy.validate(vocabularySize: 4)
    #expect(SamplingParameters.greedy.isGreedy)
    #expect(!SamplingParameters().isGreedy)
}

private let spoiled: [(name: String, spoil: @Sendable (inout SamplingParameters) -> Void)] = [
    ("temperature", { $0.temperature = -0.1 }), ("temperature", { $0.temperature = .nan }),
    ("temperature", { $0.temperature = .infinity }), ("top_k", { $0.topK = 0 }), ("top_p", { $0.topP = 0 }),
    ("top_p", { $0.topP = 1.01 }), ("top_p", { $0.topP = .nan }), ("min_p", { $0.minP = -0.1 }),
    ("min_p", { $0.minP = 1.1 }), ("repetition_penalty", { $0.repetitionPenalty = 0 }),
    ("repetition_penalty", { $0.repetitionPenalty = .infinity }),
    ("frequency_penalty", { $0.frequencyPenalty = 2.1 }), ("presence_penalty", { $0.presencePenalty = .nan }),
    ("min_tokens", { $0.minimumTokens = -1 }), ("stop_token_ids", { $0.stopTokens = [4] }),
    ("logit_bias", { $0.logitBias = [TokenBias(token: -1, bias: 0)] }),
    ("logit_bias", { $0.logitBias = [TokenBias(token: 0, bias: .infinity)] }),
]

@Test(arguments: spoiled.indices) func everyRangeIsCheckedByName(index: Int) {
    let (name, spoil) = spoiled[index]
    var parameters = SamplingParameters()
    spoil(&parameters)
    let error = #expect(throws: InputError.self) { try parameters.validate(vocabularySize: 4) }
    #expect(error?.kind == .usage)
    #expect(error?.subject == name)
}
