import GLMDecoding
import GLMEngine
import GLMInference
import GLMModel
import GLMSynthesis
import GLMText
import Testing

/// Requests of one batch that end in different ways at different places, most of them inside an accepted run: each gets
/// what it gets alone and without drafts.
@Suite struct SpeculativeBatchEndingTests {
    enum End: Int, CaseIterable {
        case length, endToken, stopToken, stopString, bannedEndToken
    }

    /// One of the requests.
    struct Ask {
        let prompt: [Int32]
        /// How it would go on.
        let answer: [Int32]
        let end: End
        /// Where it ends: the token's place in the answer.
        let place: Int

        func request(_ speculation: SpeculationParameters?) -> GenerationRequest {
            var sampling = SamplingParameters.greedy
            if end == .stopToken { sampling.stopTokens = [answer[place]] }
            if end == .bannedEndToken { sampling.minimumTokens = place + 2 }
            return GenerationRequest(
                prompt: prompt, sampling: sampling,
                endTokens: end == .endToken || end == .bannedEndToken ? [answer[place]] : [],
                maximumTokens: end == .length ? place + 1 : answer.count, speculation: speculation)
        }

        func stops(_ tokenizer: Tokenizer) -> [String] {
            guard end == .stopString else { return [] }
            return [tokenizer.decode([answer[place]], skipSpecial: true)].filter { !$0.isEmpty }
        }
    }

    /// Submits all before the first step, so that they share every batch.
    static func submit<Runner: ModelRunner>(
        _ requests: [GenerationRequest], to engine: isolated InferenceEngine<Runner>
    ) throws -> [RunningRequest] {
        try requests.map { try engine.submit($0) }
    }

    static func completions<Runner: ModelRunner>(
        _ asks: [Ask], _ runner: Runner, _ drafter: (any Drafter)?, _ speculation: SpeculationParameters?
    ) async throws -> [Completion] {
        let tokenizer = try Tokenizer.load(path: NoiseModel.directory() + "/tokenizer.json")
        let engine = InferenceEngine(
            runner: runner, options: .init(prefillChunk: 512, maximumSequences: 8), drafter: drafter)
        let running = try await submit(asks.map { $0.request(speculation) }, to: engine)
        var completions: [Completion] = []
        for (ask, request) in zip(asks, running) {
            let generation = Generation(
                promptTokens: ask.prompt, request: request,
                assembler: TextAssembler(
                    decoder: IncrementalDecoder(tokenizer, skipSpecial: true), stops: ask.stops(tokenizer)))
            completions.append(try #require(await generation.completion()))
        }
        // A stop string is the text's end; the engine hears of it between two steps.
        while await engine.requestCount > 0 { await Task.yield() }
        return completions
    }

    /// What differs in no way that depends on time.
    struct Outcome: Equatable {
        let text: String
        let tokens: [Int32]
        let reason: FinishReason
        let count: Int

        init(_ completion: Completion) {
            text = completion.text
            tokens = completion.tokens
            reason = completion.summary.finishReason
            count = completion.summary.completionTokens
        }
    }

    /// Whether the last round ended with a drafted token: no token of the model's own came behind it.
    static func endedInsideARun(_ completion: Completion) -> Bool {
        guard let statistics = completion.summary.speculation, statistics.rounds > 0 else { return false }
        let accepted = statistics.acceptedCounts.enumerated().reduce(0) { $0 + $1.offset * $1.element }
        return statistics.emittedTokens == accepted + statistics.rounds - 1
    }

    static func check<Runner: ModelRunner>(_ runner: Runner, prompts: [[Int32]]) async throws {
        let answers = try await answers(prompts.map { greedy($0, tokens: 30) }, runner).map(\.tokens)
        let continuations = Dictionary(zip(prompts, answers), uniquingKeysWith: { first, _ in first })
        var inside: [End: Int] = [:]
        var lengths: Set<Int> = []
        var late = 0
        for turn in 0..<10 {
            func asks(delay: Int) -> [Ask] {
                prompts.indices.map { index in
                    let ends = End.allCases
                    return Ask(
                        prompt: prompts[index], answer: answers[index],
                        end: ends[(index + turn) % ends.count],
                        place: 1 + (3 * index + 2 * turn) % 17 + delay)
                }
            }
            var plain: [Outcome] = []
            for ask in asks(delay: 0) {
                plain += try await completions([ask], runner, nil, nil).map(Outcome.init)
            }
            let drafter = MixingDrafter(
                probability: turn % 2 == 0 ? 1 : 0.8, agreement: turn % 2 == 0 ? .independent : .even,
                continuations: continuations, vocabularySize: runner.vocabularySize, seed: UInt64(turn))
            let speculation = SpeculationParameters(
                steps: .fixed(3 + turn % 3), topK: turn % 4 < 2 ? 1 : 1 + turn % 4)
            let drafted = try await completions(asks(delay: 0), runner, drafter, speculation)
            for (index, ask) in asks(delay: 0).enumerated() {
                #expect(
                    Outcome(drafted[index]) == plain[index],
                    "turn \(turn), request \(index), \(ask.end) at \(ask.place)")
                if endedInsideARun(drafted[index]) { inside[ask.end, default: 0] += 1 }
            }
            lengths.formUnion(plain.map(\.count))
            // Control: ends one token later.
            let delayed = try await completions(asks(delay: 1), runner, drafter, speculation)
            late += zip(delayed, plain).count { Outcome($0) != $1 }
        }
        print("ended inside accepted runs: \(inside.map { "\($0) \($1)" }.sorted().joined(separator: ", "))")
        #expect(lengths.count > 12)
        #expect(late > 40, "\(late) of 80 ends that came later showed")
        #expect([End.endToken, .stopToken].allSatisfy { inside[$0, default: 0] >= 4 })
        // Drafts are never longer than the answer has room for, so that their last token is the model's own.
        #expect(inside[.length] == nil)
    }

    @Test func eachEndsAsItDoesAloneInAMockModel() async throws {
        let model = MockModel(vocabularySize: 512)
        let prompts = (0..<8).map { number in (0...number).map { Int32(10 * number + $0) } }
        try await Self.check(model, prompts: prompts)
        #expect(model.ledger.all.batches.contains { $0.count == 8 && $0.contains { $0 > 1 } })
        #expect(model.ledger.all.livingCaches == 0)
    }

    @Test func eachEndsAsItDoesAloneInAModelWithCaches() async throws {
        let source = try SpeculationModel(.nano)
        try await Self.check(source.model, prompts: source.prompts(8, salt: 61))
    }
}
