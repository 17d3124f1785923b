import GLMDecoding
import GLMEngine
import GLMFiles
import GLMTensor
import Testing

private typealias Outcome = (tokens: [Int32], summary: RequestSummary?)

private func collect(_ request: RunningRequest) async -> Outcome {
    var outcome: Outcome = ([], nil)
    for await event in request.events {
        switch event {
        case .token(let token), .endToken(let token): outcome.tokens.append(token)
        case .finished(let summary): outcome.summary = summary
        }
    }
    return outcome
}

private func request(_ prompt: [Int32], seed: UInt64, tokens: Int = 20) -> GenerationRequest {
    var sampling = SamplingParameters()
    sampling.seed = seed
    sampling.topP = 0.9
    sampling.frequencyPenalty = 0.3
    return GenerationRequest(prompt: prompt, sampling: sampling, endTokens: [], maximumTokens: tokens)
}

@Test func anEngineContinuesAPromptAsTheModelSays() async throws {
    let model = MockModel(successors: [1: 2, 2: 3, 3: 4, 4: 5])
    let engine = InferenceEngine(runner: model, options: .init())
    let running = try await engine.submit(
        GenerationRequest(prompt: [9, 1], sampling: .greedy, endTokens: [5], maximumTokens: nil))
    let outcome = await collect(running)
    #expect(outcome.tokens == [2, 3, 4, 5])
    #expect(outcome.summary?.reason == .token(5))
    #expect(outcome.summary?.promptTokens == 2)
    #expect(outcome.summary?.generatedTokens == 4)
    #expect(model.ledger.all.batches == [[2], [1], [1], [1]])
}

@Test func endTokensCanBeIgnoredButStopTokensCannot() async throws {
    let model = MockModel(successors: [1: 2, 2: 3, 3: 4, 4: 1])
    let engine = InferenceEngine(runner: model, options: .init())
    var sampling = SamplingParameters.greedy
    sampling.ignoresEndTokens = true
    let ignoring = GenerationRequest(prompt: [1], sampling: sampling, endTokens: [3], maximumTokens: 6)
    #expect(await collect(try engine.submit(ignoring)).tokens == [2, 3, 4, 1, 2, 3])
    sampling.stopTokens = [4]
    let stopping = GenerationRequest(prompt: [1], sampling: sampling, endTokens: [3], maximumTokens: 6)
    #expect(await collect(try engine.submit(stopping)).tokens == [2, 3, 4])
    sampling = .greedy
    sampling.minimumTokens = 2
    let patient = GenerationRequest(prompt: [1], sampling: sampling, endTokens: [3, 2], maximumTokens: 9)
    let outcome = await collect(try engine.submit(patient))
    #expect(outcome.tokens.count > 2)
    #expect(!outcome.tokens.prefix(2).contains { $0 == 2 || $0 == 3 })
}

@Test func theContextBoundsTheAnswer() async throws {
    let engine = InferenceEngine(runner: MockModel(contextSize: 12), options: .init())
    let open = GenerationRequest(prompt: [1, 2, 3], sampling: .greedy, endTokens: [], maximumTokens: nil)
    let outcome = await collect(try engine.submit(open))
    #expect(outcome.tokens.count == 9)
    #expect(outcome.summary?.reason == .length)
}

@Test func requestsThatCannotBeServedAreRefused() async throws {
    let engine = InferenceEngine(runner: MockModel(contextSize: 4), options: .init())
    func refusal(
        _ prompt: [Int32], tokens: Int? = nil, bend: (inout SamplingParameters) -> Void = { _ in }
    ) async -> InputError? {
        var sampling = SamplingParameters.greedy
        bend(&sampling)
        let request = GenerationRequest(
            prompt: prompt, sampling: sampling, endTokens: [], maximumTokens: tokens)
        do {
            _ = try await engine.submit(request)
            return nil
        } catch {
            return error
        }
    }
    #expect(await refusal([])?.kind == .badInput)
    #expect(await refusal([1, 2, 3, 4])?.kind == .badInput)
    #expect(await refusal([50])?.kind == .badInput)
    #expect(await refusal([-1])?.kind == .badInput)
    #expect(await refusal([1], tokens: 0)?.kind == .usage)
    #expect(await refusal([1, 2], tokens: 3)?.subject == "max_tokens")
    #expect(await refusal([1]) { $0.topP = 2 }?.subject == "top_p")
    #expect(await refusal([1, 2], tokens: 2) == nil)
}

@Test(arguments: [1, 3, 7, 512]) func chunkingChangesNothing(chunk: Int) async throws {
    let prompt = (0..<40).map { Int32($0 % 50) }
    let whole = InferenceEngine(runner: MockModel(), options: .init(prefillChunk: 512))
    let chunked = InferenceEngine(runner: MockModel(), options: .init(prefillChunk: chunk))
    let expected = await collect(try whole.submit(request(prompt, seed: 3))).tokens
    #expect(await collect(try chunked.submit(request(prompt, seed: 3))).tokens == expected)
    // Negative control: the prompt's first token alone changes the answer.
    #expect(await collect(try chunked.submit(request([49] + prompt.dropFirst(), seed: 3))).tokens != expected)
}

@Test func aRequestGetsTheSameAloneAndInAnyBatch() async throws {
    let requests = (0..<12).map { index in
        request(
            (0...(index * 3)).map { Int32(($0 * 7 + index) % 50) }, seed: UInt64(index), tokens: 5 + index)
    }
    var alone: [[Int32]] = []
    for request in requests {
        let engine = InferenceEngine(runner: MockModel(), options: .init())
        alone.append(await collect(try engine.submit(request)).tokens)
    }
    let model = MockModel()
    let engine = InferenceEngine(runner: model, options: .init(prefillChunk: 9, maximumSequences: 5))
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
        for (index, request) in requests.enumerated() {
            group.addTask { (index, await collect(try engine.submit(request)).tokens) }
        }
        return try await group.reduce(into: [[Int32]](repeating: [], count: requests.count)) {
            $0[$1.0] = $1.1
        }
    }
    #expect(together == alone)
    #expect(model.ledger.all.batches.contains { $0.count > 1 })
    #expect(model.ledger.all.batches.allSatisfy { $0.count <= 5 })
    #expect(await engine.requestCount == 0)
    #expect(model.ledger.all.livingCaches == 0)
}

@Test func aDroppedStreamEndsItsRequestAndFreesItsCache() async throws {
    let model = MockModel(contextSize: 1_000_000)
    let engine = InferenceEngine(runner: model, options: .init())
    let endless = GenerationRequest(prompt: [1], sampling: .greedy, endTokens: [], maximumTokens: nil)
    var count = 0
    for await _ in try await engine.submit(endless).events {
        count += 1
        if count == 5 { break }
    }
    // The engine serves others all the same; when they are through, the abandoned request is gone.
    while await engine.requestCount > 0 { _ = await collect(try engine.submit(request([2], seed: 1))) }
    #expect(model.ledger.all.livingCaches == 0)
    #expect(model.ledger.all.batches.count < 1_000_000)
}

@Test func aCancelledRequestStillReportsItsEnd() async throws {
    let engine = InferenceEngine(runner: MockModel(contextSize: 1_000_000), options: .init())
    let endless = GenerationRequest(prompt: [1], sampling: .greedy, endTokens: [], maximumTokens: nil)
    let running = try await engine.submit(endless)
    var events = running.events.makeAsyncIterator()
    _ = await events.next()
    running.cancel()
    var last: TokenEvent?
    while let event = await events.next() { last = event }
    guard case .finished(let summary) = last else {
        Issue.record("\(String(describing: last)) is not an end")
        return
    }
    #expect(summary.reason == .cancelled)
}

@Test func aCancelledTaskEndsItsRequest() async throws {
    let model = MockModel(contextSize: 1_000_000)
    let engine = InferenceEngine(runner: model, options: .init())
    let endless = GenerationRequest(prompt: [1], sampling: .greedy, endTokens: [], maximumTokens: nil)
    let reader = Task { await collect(try engine.submit(endless)).summary }
    while model.ledger.all.batches.count < 3 { await Task.yield() }
    reader.cancel()
    #expect(try await reader.value == nil)
    while await engine.requestCount > 0 { await Task.yield() }
    #expect(model.ledger.all.livingCaches == 0)
}
