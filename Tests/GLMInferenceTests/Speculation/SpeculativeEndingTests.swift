import GLMDecoding
import GLMEngine
import GLMInference
import GLMModel
import GLMSynthesis
import GLMTensor
import GLMText
import Testing

/// An answer ends exactly where plain decoding ends it, wherever in an accepted run that is.
@Suite struct SpeculativeEndingTests {
    static let prompt: [Int32] = [1, 2, 3]

    static func drafter(_ model: MockModel, _ continuation: [Int32], probability: Double = 1) -> MixingDrafter
    {
        MixingDrafter(
            probability: probability, continuations: [prompt: continuation],
            vocabularySize: model.vocabularySize, seed: 3)
    }

    @Test(arguments: 1...14) func theNumberOfTokens(count: Int) async throws {
        let model = MockModel()
        let plain = try await answers([greedy(Self.prompt, tokens: 20)], model)[0].tokens
        for probability in [0, 0.6, 1] {
            for speculation in [
                SpeculationParameters(steps: .fixed(5)), SpeculationParameters(steps: .fixed(3), topK: 2),
            ] {
                let outcome = try await answers(
                    [greedy(Self.prompt, tokens: count, speculation: speculation)], model,
                    drafter: Self.drafter(model, plain, probability: probability))[0]
                #expect(outcome.tokens[...] == plain.prefix(count))
                #expect(outcome.summary?.reason == .length)
                #expect(outcome.summary?.generatedTokens == count)
                let statistics = outcome.statistics
                #expect(statistics.emittedTokens + statistics.plainSteps == count - 1)
            }
        }
        #expect(model.ledger.all.livingCaches == 0)
    }

    @Test func theContext() async throws {
        let model = MockModel(contextSize: 13)
        let plain = try await answers([greedy(Self.prompt, tokens: 10)], model)[0].tokens
        let open = GenerationRequest(
            prompt: Self.prompt, sampling: .greedy, endTokens: [], maximumTokens: nil,
            speculation: SpeculationParameters(steps: .fixed(4), topK: 3))
        let outcome = try await answers([open], model, drafter: Self.drafter(model, plain))[0]
        #expect(outcome.tokens == plain)
        #expect(model.ledger.all.batches.allSatisfy { $0[0] <= 13 })
    }

    @Test func endTokensAndStopTokens() async throws {
        let script = (0..<12).map { Int32(20 + $0) }
        let model = MockModel(script: script)
        let drafter = Self.drafter(model, script)
        for place in 0..<12 {
            for (ends, stops) in [([script[place]], []), ([], [script[place]])] as [([Int32], [Int32])] {
                for minimum in [0, place + 3] {
                    var sampling = SamplingParameters.greedy
                    sampling.stopTokens = stops
                    sampling.minimumTokens = minimum
                    func request(_ speculation: SpeculationParameters?) -> GenerationRequest {
                        GenerationRequest(
                            prompt: Self.prompt, sampling: sampling, endTokens: ends, maximumTokens: 30,
                            speculation: speculation)
                    }
                    let plain = try await answers([request(nil)], model)[0]
                    let drafted = try await answers(
                        [request(SpeculationParameters(steps: .fixed(4)))], model, drafter: drafter)[0]
                    #expect(drafted.tokens == plain.tokens)
                    #expect(drafted.summary?.reason == plain.summary?.reason)
                }
            }
        }
    }

    @Test func stopStrings() async throws {
        let tokenizer = try Tokenizer.load(path: NoiseModel.directory() + "/tokenizer.json")
        let text = "one two three four five six seven"
        let script = try tokenizer.encode(text, specialTokens: .asText)
        let model = MockModel(vocabularySize: tokenizer.vocabularySize, contextSize: 1 << 20, script: script)
        for stop in ["two", "e f", "seven", "ee four fi"] {
            func completion(_ speculation: SpeculationParameters?) async throws -> Completion? {
                let engine = InferenceEngine(
                    runner: model, options: .init(), drafter: Self.drafter(model, script))
                let request = try await engine.submit(
                    GenerationRequest(
                        prompt: Self.prompt, sampling: .greedy, endTokens: [], maximumTokens: script.count,
                        speculation: speculation))
                return await Generation(
                    promptTokens: Self.prompt, request: request,
                    assembler: TextAssembler(
                        decoder: IncrementalDecoder(tokenizer, skipSpecial: true), stops: [stop])
                ).completion()
            }
            let plain = try #require(try await completion(nil))
            let drafted = try #require(try await completion(SpeculationParameters(steps: .fixed(5))))
            #expect(drafted.text == plain.text)
            #expect(drafted.tokens == plain.tokens)
            #expect(drafted.summary.finishReason == .stopString(stop))
            #expect(drafted.summary.completionTokens == plain.summary.completionTokens)
        }
    }

    @Test func speculationIsRefusedWhereThereIsNoDrafter() async throws {
        let engine = InferenceEngine(runner: MockModel(), options: .init())
        await #expect(throws: (any Error).self) {
            _ = try await engine.submit(
                greedy(Self.prompt, tokens: 3, speculation: SpeculationParameters()))
        }
    }

    /// Long histories of acceptance and refusal leave nothing behind: 10,000 rounds, caches as long as their tokens.
    @Test func nothingLeaksOverTenThousandRounds() async throws {
        let model = MockModel(contextSize: 1 << 20)
        let plain = try await answers([greedy(Self.prompt, tokens: 3000)], model)[0].tokens
        var rounds = 0
        for (number, probability) in [0.0, 0.3, 0.5, 0.5, 0.2, 0.7, 0.4, 0.1].enumerated() {
            let speculation = SpeculationParameters(steps: .fixed(3), topK: 1 + number % 3)
            let outcome = try await answers(
                [greedy(Self.prompt, tokens: 3000, speculation: speculation)], model,
                drafter: Self.drafter(model, plain, probability: probability))[0]
            #expect(outcome.tokens == plain)
            rounds += outcome.statistics.rounds
        }
        #expect(rounds >= 10_000)
        #expect(model.ledger.all.livingCaches == 0)
    }

    /// The same of real caches: as many pages as their tokens need, after every round.
    @Test func cachesHoldWhatTheirTokensNeed() throws {
        let model = try SpeculationModel(.nano).model
        let prompts = try SpeculationModel(.nano).prompts(10, salt: 2)
        let expected = prompts.map { SpeculativeDecoderTests.plain(model, $0, count: 260) }
        let drafter = MixingDrafter(
            probability: 0.6,
            continuations: Dictionary(
                zip(prompts, expected.map(\.tokens)), uniquingKeysWith: { first, _ in first }),
            vocabularySize: model.vocabularySize, seed: 9)
        for shape in [DraftShape.chain(3), DraftShape(steps: 3, topK: 3, rows: 9)] {
            let decoder = SpeculativeDecoder(model, drafter: drafter)
            var sequences = prompts.map { decoder.begin($0) }
            for _ in 0..<50 {
                _ = decoder.round(shape, &sequences)
                for sequence in sequences {
                    #expect(sequence.cache.length == sequence.length - 1)
                    #expect(sequence.cache.pageCount == (sequence.cache.length + 63) / 64)
                }
            }
            for (index, sequence) in sequences.enumerated() {
                let count = sequence.length - prompts[index].count
                let plain = SpeculativeDecoderTests.plain(model, prompts[index], count: count)
                #expect(
                    SpeculativeDecoderTests.contents(sequence.cache)
                        == SpeculativeDecoderTests.contents(plain.cache))
            }
        }
    }
}
