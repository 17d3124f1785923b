import GLMDecoding
import GLMEngine
import GLMInference
import GLMTensor
import GLMText
import Testing

/// A tokenizer and a model that answers any prompt with one fixed text, then its end token.
private struct Script {
    let tokenizer: Tokenizer
    let model: MockModel
    let engine: InferenceEngine<MockModel>
    let end: Int32

    init(_ text: String) throws {
        tokenizer = try Tokenizer.load(path: NoiseModel.directory() + "/tokenizer.json")
        end = try #require(tokenizer.id(of: "<|user|>"))
        let tokens = try tokenizer.encode(text, specialTokens: .asText) + [end]
        model = MockModel(vocabularySize: tokenizer.vocabularySize, contextSize: 1 << 30, script: tokens)
        engine = InferenceEngine(runner: model, options: .init())
    }

    func generate(maximumTokens: Int? = nil, stops: [String] = [], ignoringEnd: Bool = false) async throws
        -> Generation
    {
        var sampling = SamplingParameters.greedy
        sampling.ignoresEndTokens = ignoringEnd
        let prompt: [Int32] = [1, 2, 3]
        let request = try await engine.submit(
            GenerationRequest(
                prompt: prompt, sampling: sampling, endTokens: [end], maximumTokens: maximumTokens))
        return Generation(
            promptTokens: prompt, request: request,
            assembler: TextAssembler(decoder: IncrementalDecoder(tokenizer, skipSpecial: true), stops: stops))
    }
}

@Test func theAnswerIsTheTextUpToTheEndToken() async throws {
    let script = try Script("Grüße, 漢字 👩‍🚀!")
    let completion = try #require(await script.generate().completion())
    #expect(completion.text == "Grüße, 漢字 👩‍🚀!")
    #expect(completion.summary.finishReason == .endToken(script.end))
    #expect(completion.tokens.last == script.end)
    #expect(completion.summary.completionTokens == completion.tokens.count)
    #expect(completion.summary.promptTokens == 3)
}

@Test func piecesNeverCutACharacterAndTogetherAreTheAnswer() async throws {
    let script = try Script("é漢👩‍🚀é")
    var text = ""
    var count = 0
    for await event in try await script.generate() {
        guard case .piece(let piece) = event else { continue }
        #expect(!piece.text.unicodeScalars.contains("\u{FFFD}"))
        text += piece.text
        count += 1
    }
    #expect(Array(text.utf8) == Array("é漢👩‍🚀é".utf8))
    #expect(count > 4)
}

@Test func aStopStringAcrossTokensEndsTheAnswer() async throws {
    let script = try Script("the quick brown fox jumps over")
    let completion = try #require(await script.generate(stops: ["wn fo", "zzz"]).completion())
    #expect(completion.text == "the quick bro")
    #expect(completion.summary.finishReason == .stopString("wn fo"))
    #expect(completion.summary.completionTokens == completion.tokens.count)
    // Negative control: one letter different, and the answer runs to its end.
    let other = try #require(await script.generate(stops: ["wn fa"]).completion())
    #expect(other.text == "the quick brown fox jumps over")
    #expect(other.summary.finishReason == .endToken(script.end))
    while await script.engine.requestCount > 0 { await Task.yield() }
    #expect(script.model.ledger.all.livingCaches == 0)
}

@Test func whatLooksLikeAStopStringIsGivenOutAtTheEnd() async throws {
    let script = try Script("abc STO")
    let completion = try #require(await script.generate(stops: ["STOP"]).completion())
    #expect(completion.text == "abc STO")
    #expect(completion.summary.finishReason == .endToken(script.end))
}

@Test func theNumberOfTokensBoundsTheAnswer() async throws {
    let script = try Script("the quick brown fox")
    let completion = try #require(await script.generate(maximumTokens: 2).completion())
    #expect(completion.tokens.count == 2)
    #expect(completion.summary.finishReason == .length)
    #expect(completion.summary.finishReason.word == "length")
    let ignoring = try #require(await script.generate(maximumTokens: 40, ignoringEnd: true).completion())
    #expect(ignoring.tokens.count == 40)
}

@Test func aCancelledAnswerAccountsForItself() async throws {
    let script = try Script("the quick brown fox")
    let generation = try await script.generate(ignoringEnd: true)
    var tokens = 0
    var summary: GenerationSummary?
    for await event in generation {
        switch event {
        case .piece(let piece):
            tokens += piece.tokens.count
            if tokens == 5 { generation.cancel() }
        case .finished(let last): summary = last
        }
    }
    #expect(summary?.finishReason == .cancelled)
    #expect(summary?.completionTokens == tokens)
    #expect(tokens < 1_000_000)
}

@Test func aGenerationIsReadOnce() async throws {
    let script = try Script("abc")
    let generation = try await script.generate()
    #expect(await generation.completion() != nil)
    #expect(await generation.completion()?.text ?? "" == "")
}
