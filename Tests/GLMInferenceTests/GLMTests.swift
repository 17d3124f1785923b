import GLMDecoding
import GLMFiles
import GLMInference
import GLMTestSupport
import Testing

private func model(chunk: Int = 512, sequences: Int = 32, context: Int? = nil) async throws -> GLM {
    try await GLM.load(
        directory: NoiseModel.directory(), options: LoadOptions(threads: 1, contextSize: context),
        scheduling: SchedulingOptions(prefillChunk: chunk, maximumSequences: sequences))
}

private func options(seed: UInt64, tokens: Int) -> GenerationOptions {
    var sampling = SamplingParameters()
    sampling.seed = seed
    // The noise model is sure of itself; seeds show only when it is heated.
    sampling.temperature = 4
    sampling.ignoresEndTokens = true
    return GenerationOptions(sampling: sampling, maximumTokens: tokens)
}

/// Longer than the index's top-k of the noise model, so that selections are sparse.
private let prompt = "The king said to the queen: what is the number of stars, and who counts them?"

@Test func theBuiltInModelAnswers() async throws {
    let model = try await model()
    let completion = try #require(
        await model.generate(prompt: prompt, options: options(seed: 1, tokens: 5)).completion())
    #expect(completion.tokens.count == 5)
    #expect(completion.summary.finishReason == .length)
    #expect(
        completion.summary.promptTokens == (try model.tokenizer.encode(prompt, specialTokens: .parse)).count)
    let again = try #require(
        await model.generate(prompt: prompt, options: options(seed: 1, tokens: 5)).completion())
    #expect(again.tokens == completion.tokens && again.text == completion.text)
    let other = try #require(
        await model.generate(prompt: prompt, options: options(seed: 2, tokens: 5)).completion())
    #expect(other.tokens != completion.tokens)
}

@Test func chunksAndNeighboursChangeNothing() async throws {
    let whole = try await model()
    let chunked = try await model(chunk: 5, sequences: 2)
    let prompts = [prompt, "Once", String(prompt.suffix(30))]
    var alone: [[Int32]] = []
    for (index, prompt) in prompts.enumerated() {
        let generation = try await whole.generate(
            prompt: prompt, options: options(seed: UInt64(index), tokens: 5))
        alone.append(await generation.completion()?.tokens ?? [])
    }
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
        for (index, prompt) in prompts.enumerated() {
            group.addTask {
                let generation = try await chunked.generate(
                    prompt: prompt, options: options(seed: UInt64(index), tokens: 5))
                return (index, await generation.completion()?.tokens ?? [])
            }
        }
        return try await group.reduce(into: [[Int32]](repeating: [], count: prompts.count)) {
            $0[$1.0] = $1.1
        }
    }
    #expect(together == alone)
}

/// What `model` says to a prompt that it cannot serve.
private func refusal(_ model: GLM, _ text: String, stops: [String] = []) async -> InputError? {
    do throws(InputError) {
        _ = try await model.generate(prompt: text, options: GenerationOptions(stopStrings: stops))
        return nil
    } catch {
        return error
    }
}

@Test func promptsThatCannotBeServedAreRefused() async throws {
    let model = try await model(context: 16)
    let empty = await refusal(model, "")
    #expect(empty?.kind == .badInput)
    #expect(empty?.description.contains("no tokens") == true)
    let long = await refusal(model, prompt)
    #expect(long?.kind == .badInput)
    #expect(long?.description.contains("fewer than the 16") == true)
    #expect(await refusal(model, "x", stops: [""])?.kind == .usage)
    #expect(await refusal(model, "x") == nil)
}

@Test func aFolderWithoutAModelIsRefused() async throws {
    let folder = try TemporaryDirectory()
    do throws(InputError) {
        _ = try await GLM.load(directory: folder.path)
        Issue.record("loaded an empty folder")
    } catch {
        #expect(error.kind == .noSuchFile)
    }
}
