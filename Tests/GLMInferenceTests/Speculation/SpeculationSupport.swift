import GLMDecoding
import GLMEngine
import GLMFiles
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMTensor
import GLMTestSupport
import Testing

/// A model, and prompts for it.
final class SpeculationModel: Sendable {
    let model: LanguageModel
    private let folder: TemporaryDirectory?

    /// A synthetic model of a preset.
    init(
        _ preset: Preset, format: CheckpointFormat = .bfloat16, sharesIndex: Bool = false,
        profile: Profile? = nil
    ) throws {
        let folder = try TemporaryDirectory()
        var document = try preset.document()
        if sharesIndex { document = document.setting("index_share_for_mtp_iteration", true) }
        let synthetic = try SyntheticModel(document, source: preset.rawValue, format: format, seed: 7)
        try CheckpointWriter(synthetic, shards: 1).write(
            to: folder.file("model"), replaces: false, pool: ThreadPool(threads: 1))
        var options = LoadOptions(threads: 2)
        options.profile = profile
        model = try LanguageModel.load(directory: folder.file("model"), options: options)
        self.folder = folder
    }

    /// One of the reference's checkpoints, whose random weights make every token depend on all before it; a preset's
    /// text follows mostly from its last token.
    init(golden name: String) throws {
        folder = nil
        model = try SpeculativeDecoderTests.load(name)
    }

    /// A preset, with `-fp8` behind it in FP8, or one of the reference's checkpoints.
    static func named(_ name: String) throws -> SpeculationModel {
        if name.hasSuffix("-fp8"), let preset = Preset(rawValue: String(name.dropLast(4))) {
            return try SpeculationModel(preset, format: .float8)
        }
        if let preset = Preset(rawValue: name) { return try SpeculationModel(preset) }
        return try SpeculationModel(golden: name)
    }

    /// How many tokens a prompt has: of eight the first, third, … are not longer than `index_topk`; two are up to 64 tokens
    /// longer, one is two to six times as long, one six to seven times.
    private func length(_ number: Int, _ bits: UInt64) -> Int {
        let topK = model.configuration.indexTopK
        switch number % 8 {
        case 3: return 2 * topK + Int(bits % UInt64(4 * topK))
        case 7: return 6 * topK + Int(bits % UInt64(topK))
        case 1, 5: return topK + 1 + Int(bits % 64)
        default: return 1 + Int(bits % UInt64(topK))
        }
    }

    /// Random tokens: half of the prompts are shorter than `index_topk`, half longer, some much longer.
    func prompts(_ count: Int, salt: UInt64) -> [[Int32]] {
        let random = CounterRandom(seed: salt, stream: 77)
        return (0..<count).map { number in
            (0..<length(number, random.bits(at: UInt64(number)))).map {
                Int32(
                    random.bits(at: UInt64(number), lane: UInt32($0 + 1))
                        % UInt64(model.configuration.vocabularySize))
            }
        }
    }
}

/// What a request got, and what drafting did for it.
struct SpeculativeOutcome: Sendable {
    var tokens: [Int32] = []
    var summary: RequestSummary?

    var statistics: SpeculationStatistics { summary?.speculation ?? SpeculationStatistics() }
}

/// Runs requests together, at most `batch` of them at a time.
func answers<Runner: ModelRunner>(
    _ requests: [GenerationRequest], _ runner: Runner, drafter: (any Drafter)? = nil, batch: Int = 8,
    chunk: Int = 512
) async throws -> [SpeculativeOutcome] {
    let engine = InferenceEngine(
        runner: runner, options: .init(prefillChunk: chunk, maximumSequences: batch), drafter: drafter)
    let outcomes = try await withThrowingTaskGroup(of: (Int, SpeculativeOutcome).self) { group in
        for (index, request) in requests.enumerated() {
            group.addTask {
                var outcome = SpeculativeOutcome()
                for await event in try await engine.submit(request).events {
                    switch event {
                    case .token(let token), .endToken(let token): outcome.tokens.append(token)
                    case .finished(let summary): outcome.summary = summary
                    }
                }
                return (index, outcome)
            }
        }
        return try await group.reduce(
            into: [SpeculativeOutcome](repeating: SpeculativeOutcome(), count: requests.count)
        ) { $0[$1.0] = $1.1 }
    }
    // The engine is asked once its last step has ended: only then has it let go of the caches.
    while await engine.requestCount > 0 { await Task.yield() }
    return outcomes
}

func greedy(
    _ prompt: [Int32], tokens: Int, speculation: SpeculationParameters? = nil
) -> GenerationRequest {
    GenerationRequest(
        prompt: prompt, sampling: .greedy, endTokens: [], maximumTokens: tokens, speculation: speculation)
}
