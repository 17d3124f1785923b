import GLMDecoding
import GLMFiles
import GLMInference
import GLMModel
import GLMSynthesis
import GLMTestSupport
import Testing

/// The noise model's small files without its weights, with `vocab_size` replaced.
private func documents(vocabulary: Int? = nil, context: Int? = nil) throws -> ModelDocuments {
    let folder = try TemporaryDirectory()
    let source = try NoiseModel.directory()
    try folder.link("tokenizer.json", to: source + "/tokenizer.json")
    var config = JSON(try JSONDocument.load(path: source + "/config.json", limit: 1 << 20).root)
    if let vocabulary { config = config.setting("vocab_size", .integer(vocabulary)) }
    try folder.write("config.json", config.bytes())
    return try ModelDocuments(directory: folder.path, options: LoadOptions(threads: 1, contextSize: context))
}

@Test func aRequestIsCheckedWithoutWeights() throws {
    let documents = try documents(context: 8)
    #expect(documents.contextSize == 8)
    #expect(!documents.endTokens.isEmpty)
    let sampling = SamplingParameters()
    try documents.check(prompt: [1, 2], sampling: sampling, maximumTokens: 6)
    expectRefused(.usage, containing: "max_tokens") {
        try documents.check(prompt: [1, 2], sampling: sampling, maximumTokens: 7)
    }
    expectRefused(.badInput, containing: "no tokens") {
        try documents.check(prompt: [], sampling: sampling, maximumTokens: nil)
    }
    expectRefused(.badInput, containing: "of the context") {
        try documents.check(prompt: [Int32](repeating: 1, count: 8), sampling: sampling, maximumTokens: nil)
    }
}

@Test func aTokenizerWithMoreTokensThanTheModelIsRefused() throws {
    let size = try documents().tokenizer.vocabularySize
    #expect(try documents(vocabulary: size).configuration.vocabularySize == size)
    expectRefused(.badInput, containing: "tokenizer.json", "ids below \(size - 1)") {
        _ = try documents(vocabulary: size - 1)
    }
}

@Test func moreContextThanTheModelHasIsRefused() throws {
    #expect(try documents(context: 4096).contextSize == 4096)
    expectRefused(.usage, containing: "ctx-size", "4096") { _ = try documents(context: 4097) }
}
