import GLMFiles
import GLMInference
import GLMTestSupport
import Testing

private func load(_ text: String) throws -> GenerationDefaults {
    let folder = try TemporaryDirectory()
    _ = try folder.write("generation_config.json", text)
    return try GenerationDefaults.load(directory: folder.path)
}

@Test func aModelRecommendsItsSampling() throws {
    let defaults = try load(
        #"{"eos_token_id": [5, 7], "temperature": 0.6, "top_p": 0.9, "top_k": 40, "repetition_penalty": 1.1, "min_p": 0.05}"#
    )
    #expect(defaults.endTokens == [5, 7])
    #expect(defaults.sampling.temperature == 0.6)
    #expect(defaults.sampling.topP == 0.9)
    #expect(defaults.sampling.topK == 40)
    #expect(defaults.sampling.repetitionPenalty == 1.1)
    #expect(defaults.sampling.minP == 0.05)
}

@Test func whatAModelLeavesOutIsTheFamilysRecommendation() throws {
    let folder = try TemporaryDirectory()
    for defaults in [
        try load("{}"), try GenerationDefaults.load(directory: folder.path), GenerationDefaults(),
    ] {
        #expect(defaults.endTokens == nil)
        #expect(defaults.sampling.temperature == 1)
        #expect(defaults.sampling.topP == 0.95)
        #expect(defaults.sampling.topK == nil)
        #expect(defaults.sampling.minP == 0)
    }
    #expect(try load(#"{"eos_token_id": 3, "top_k": 0}"#).endTokens == [3])
    #expect(try load(#"{"top_k": -1}"#).sampling.topK == nil)
    #expect(try load(#"{"do_sample": false}"#).sampling.isGreedy)
    #expect(!(try load(#"{"do_sample": true}"#).sampling.isGreedy))
}

@Test(arguments: [
    #"{"temperature": "hot"}"#, #"{"temperature": -1}"#, #"{"top_p": 1.5}"#, #"{"top_k": 1.5}"#,
    #"{"eos_token_id": -3}"#,
    #"{"eos_token_id": ["x"]}"#, "[]", "{", "",
])
func aSpoiledFileIsRefused(text: String) {
    expectRefused(.badInput, containing: "generation_config.json") { _ = try load(text) }
}
