import Foundation
import GLMFiles
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMTensor
import GLMTestSupport
import Testing

/// The strict loader names every tensor itself: what it accepts is exactly the layout's list.
@Suite struct LoadingTests {
    static func write(
        _ model: SyntheticModel, shards: Int = 1, contents: CheckpointWriter.Contents = .weights,
        to path: String
    ) throws {
        try CheckpointWriter(model, shards: shards, contents: contents).write(
            to: path, replaces: false, pool: ThreadPool(threads: 1))
    }

    @Test(arguments: CheckpointFormat.allCases) func theLoaderTakesEveryTensor(_ format: CheckpointFormat)
        throws
    {
        let folder = try TemporaryDirectory()
        try Self.write(SyntheticModel(.nano, format: format, seed: 1), shards: 2, to: folder.file("model"))
        let model = try LanguageModel.load(directory: folder.file("model"), options: LoadOptions(threads: 1))
        #expect(model.eagleHead != nil)
    }

    @Test func sharedIndexersHaveNoTensors() throws {
        let folder = try TemporaryDirectory()
        let document = try Preset.nano.document().setting("indexer_types", ["full", "shared", "full"])
        let model = try SyntheticModel(document, source: "shared", format: .bfloat16, seed: 1)
        let names = model.layout.tensors.map(\.name)
        #expect(!names.contains { $0.hasPrefix("model.layers.1.self_attn.indexer.") })
        #expect(names.contains { $0.hasPrefix("model.layers.3.self_attn.indexer.") })
        try Self.write(model, to: folder.file("model"))
        _ = try LanguageModel.load(directory: folder.file("model"), options: LoadOptions(threads: 1))
        // The same tensors under a configuration that wants one indexer more.
        try folder.write("model/config.json", Preset.nano.document().bytes())
        expectRefused(containing: "model.layers.1.self_attn.indexer") {
            _ = try LanguageModel.load(directory: folder.file("model"), options: LoadOptions(threads: 1))
        }
    }

    /// The released size: 59,870 tensors in 282 files of holes.
    @Test(arguments: [CheckpointFormat.bfloat16, .float8]) func theReleasedLayoutLoads(
        _ format: CheckpointFormat
    ) throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.glm51, format: format, seed: 0)
        try Self.write(model, shards: 282, contents: .holes, to: folder.file("model"))
        _ = try LanguageModel.load(
            directory: folder.file("model"), options: LoadOptions(threads: 1, lazy: true))
    }

    /// Magnitudes are sane: no layer runs away, the head prefers the next token of the cycle, all experts are
    /// used.
    @Test(arguments: [CheckpointFormat.bfloat16, .float8]) func textIsNotNoise(_ format: CheckpointFormat)
        throws
    {
        let folder = try TemporaryDirectory()
        let synthetic = try SyntheticModel(.nano, format: format, seed: 1)
        try Self.write(synthetic, to: folder.file("model"))
        let model = try LanguageModel.load(directory: folder.file("model"), options: LoadOptions(threads: 1))
        let follow = FollowPlan(tokens: synthetic.tokens, vocabularySize: 512, seed: 1)
        var tokens: [Int32] = [5]
        while tokens.count < 24 { tokens.append((tokens[tokens.count - 1] * 31 + 7) % 290) }
        var caches = [model.makeCache()]
        let output = model.forward([SequenceStep(tokens: tokens, logitRows: tokens.count)], caches: &caches)
        #expect(output.logits.values.allSatisfy { $0.isFinite && abs($0) < 100 })
        let hits = tokens.indices.filter { row in
            let logits = output.logits.values[(row * 512)..<((row + 1) * 512)]
            let best = logits.indices.max { logits[$0] < logits[$1] } ?? 0
            return best - row * 512 == follow.successor(of: Int(tokens[row]))
        }
        #expect(hits.count > tokens.count / 2)
    }
}
