import GLMDecoding
import GLMModel
import GLMTensor
import GLMTestSupport
import Testing

/// Speculation changes how tokens are computed, never which.
@Suite struct SpeculativeDecoderTests {
    static func load(_ name: String) throws -> LanguageModel {
        try LanguageModel.load(
            directory: "\(GoldenVerifierTests.root)/\(name)/bf16", options: LoadOptions(threads: 2))
    }

    static func prompt(_ length: Int, salt: Int, vocabulary: Int) -> [Int32] {
        (0..<length).map { Int32(($0 * $0 * 17 + $0 * 29 + salt * 101) % (vocabulary - 4)) }
    }

    /// `count` tokens of plain greedy decoding, and the cache behind all but the last.
    static func plain(
        _ model: LanguageModel, _ prompt: [Int32], count: Int
    ) -> (tokens: [Int32], cache: SequenceCache) {
        var caches = [model.makeCache()]
        var tokens: [Int32] = []
        var next = prompt
        while tokens.count < count {
            let output = model.forward([SequenceStep(tokens: next, logitRows: 1)], caches: &caches)
            tokens.append(Int32(Sampler.largest(of: output.logits.row(0))))
            next = tokens.suffix(1)
        }
        return (tokens, caches[0])
    }

    @Test(arguments: ["tiny", "shared-odd"], [1, 2, 3, 5])
    func equalsPlainGreedyInAnyBatch(name: String, steps: Int) throws {
        let model = try Self.load(name)
        let decoder = try #require(SpeculativeDecoder(model))
        // Shorter and much longer than index_topk; the last crosses a page of 64 tokens.
        let prompts = [1, 5, 30, 61].enumerated().map {
            Self.prompt($1, salt: $0 + steps, vocabulary: model.configuration.vocabularySize)
        }
        var sequences = prompts.map { decoder.begin($0) }
        var tokens = sequences.map { [$0.root] }
        var accepted = 0
        for _ in 0..<12 {
            for (index, round) in decoder.round(steps: steps, &sequences).enumerated() {
                tokens[index] += round.emitted
                accepted += round.accepted
            }
        }
        for (index, prompt) in prompts.enumerated() {
            let expected = Self.plain(model, prompt, count: tokens[index].count)
            #expect(tokens[index] == expected.tokens)
            #expect(Self.contents(sequences[index].cache) == Self.contents(expected.cache))
            #expect(sequences[index].cache.pageCount == expected.cache.pageCount)
        }
        // The road of accepted drafts was walked.
        #expect(accepted > 0)
    }

    /// Negative control: accepting a draft that the trunk did not choose shows at once.
    @Test func wrongAcceptanceWouldShow() throws {
        let model = try Self.load("tiny")
        let decoder = try #require(SpeculativeDecoder(model))
        let prompt = Self.prompt(9, salt: 1, vocabulary: model.configuration.vocabularySize)
        var sequences = [decoder.begin(prompt)]
        var careless = [sequences[0].root]
        for _ in 0..<6 {
            let round = decoder.round(steps: 3, &sequences)[0]
            careless += round.draft.tokens + round.emitted.suffix(1)
        }
        #expect(careless != Self.plain(model, prompt, count: careless.count).tokens)
    }

    @Test func noDrafterWithoutTheLayer() throws {
        let model = try LanguageModel.load(
            directory: "\(GoldenVerifierTests.root)/fp8-edge/fp8", options: LoadOptions(threads: 1))
        #expect(SpeculativeDecoder(model) == nil)
    }

    static func contents(_ cache: SequenceCache) -> [UInt32] {
        cache.layout.attentionOffsets.indices.flatMap { layer in
            cache.attentionRows(layer: layer, columns: 0..<cache.layout.attentionWidth).map(\.bitPattern)
                + (cache.layout.indexOffsets[layer] == nil
                    ? [] : cache.indexRows(layer: layer).map(\.bitPattern))
        }
    }
}
