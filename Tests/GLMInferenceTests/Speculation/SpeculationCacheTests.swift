import GLMDecoding
import GLMEngine
import GLMModel
import GLMSynthesis
import Testing

/// Whatever was accepted and rejected, the caches are those of plain decoding: contents, and pages held.
@Suite struct SpeculationCacheTests {
    /// Rounds in all, of eight sequences at a time.
    static let rounds = 10_000
    static let length = 260

    /// Chains and trees of all depths, one after another.
    static let shapes =
        (1...5).map { DraftShape.chain($0) }
        + [(2, 2, 5), (3, 2, 6), (3, 3, 8)].map { DraftShape(steps: $0.0, topK: $0.1, rows: $0.2) }
        + [[0, 0, 0.2], [0.6, 0, 0]].map(withdrawing)

    /// Chains whose third, or first, draft is taken back.
    static func withdrawing(_ including: [Double]) -> DraftShape {
        let half = AcceptanceCurve(constant: 0.5)
        return .chain(3, policy: DraftPolicy(half, continuing: [0, 0, 0], including: including))
    }

    static func pages(_ length: Int) -> Int { (length + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens }

    /// The first `length` rows of a cache.
    static func contents(_ cache: SequenceCache, _ length: Int) -> [UInt32] {
        var cache = cache
        cache.truncate(to: length)
        return SpeculativeDecoderTests.contents(cache)
    }

    /// The MTP layer of `nano`, of random weights, is hardly ever right; that of `tiny` is.
    @Test(arguments: [("nano", false, rounds), ("nano", true, rounds), ("tiny", true, 2000)])
    func nothingLeaksOverManyRounds(name: String, usesLayer: Bool, goal: Int) throws {
        let source = try SpeculationModel.named(name)
        let prompts = source.prompts(8, salt: 31)
        let plain = prompts.map { SpeculativeDecoderTests.plain(source.model, $0, count: Self.length) }
        let continuations = Dictionary(
            zip(prompts, plain.map(\.tokens)), uniquingKeysWith: { first, _ in first })
        let eagle = try #require(EagleDrafter(source.model))
        var (done, runs, histogram) = (0, 0, [Int](repeating: 0, count: 6))
        while done < goal {
            let drafter: any Drafter =
                usesLayer
                ? eagle
                : MixingDrafter(
                    probability: 0.7, agreement: .even, continuations: continuations,
                    vocabularySize: source.model.vocabularySize, seed: UInt64(runs))
            let decoder = SpeculativeDecoder(source.model, drafter: drafter)
            var sequences = prompts.map { decoder.begin($0) }
            var tokens = sequences.map { [$0.root] }
            // Until one sequence may run beyond what plain decoding was asked for.
            while done < goal, tokens.allSatisfy({ $0.count + 6 <= Self.length }) {
                let shape = Self.shapes[(done / 8 + runs) % Self.shapes.count]
                for (index, round) in decoder.round(shape, &sequences).rounds.enumerated() {
                    tokens[index] += round.emitted
                    histogram[round.accepted] += 1
                    done += 1
                    let cache = sequences[index].cache
                    #expect(cache.length == prompts[index].count + tokens[index].count - 1)
                    #expect(cache.pageCount == Self.pages(cache.length))
                }
            }
            for index in prompts.indices {
                let cache = sequences[index].cache
                #expect(tokens[index][...] == plain[index].tokens.prefix(tokens[index].count))
                #expect(
                    SpeculativeDecoderTests.contents(cache) == Self.contents(plain[index].cache, cache.length)
                )
                if usesLayer {
                    try expectDraftCache(sequences[index], decoder, prompts[index] + tokens[index])
                }
            }
            runs += 1
        }
        print("\(name): \(done) rounds in \(runs) runs: accepted \(histogram)")
        #expect(done >= goal && runs > (name == "nano" ? 10 : 1))
        #expect(usesLayer || histogram.allSatisfy { $0 > done / 100 }, "\(histogram)")
        #expect(name == "nano" || histogram[1...].reduce(0, +) > done / 100, "\(histogram)")
    }

    /// The layer's cache is that of a drafter which saw the whole text as a prompt.
    private func expectDraftCache(
        _ sequence: SpeculativeDecoder.Sequence, _ decoder: SpeculativeDecoder, _ text: [Int32]
    ) throws {
        let cache = try #require(sequence.draft.cache)
        let whole = try #require(decoder.begin(text).draft.cache)
        #expect(cache.length > 0 && cache.length <= whole.length)
        #expect(cache.length + sequence.draft.pendingTokens.count == text.count - 1)
        #expect(cache.pageCount == Self.pages(cache.length))
        #expect(SpeculativeDecoderTests.contents(cache) == Self.contents(whole, cache.length))
    }

    /// Negative control: a rejected row that is kept shows in contents and length, and behind a border in the pages.
    @Test func aRejectedRowThatIsKeptShows() throws {
        let source = try SpeculationModel(.nano)
        let prompt = (0..<62).map { Int32($0 % 50) }
        let plain = SpeculativeDecoderTests.plain(source.model, prompt, count: 3)
        func afterReject(keeping path: [Int]) -> SequenceCache {
            let start = SpeculativeDecoderTests.plain(source.model, prompt, count: 1)
            var caches = [start.cache]
            let wrong = (plain.tokens[1] + 1) % Int32(source.model.vocabularySize)
            let draft = [wrong, wrong]
            _ = source.model.forward(
                [SequenceStep(tokens: [start.tokens[0]] + draft, logitRows: 3)], caches: &caches)
            caches[0].keep(path, of: DraftTree(chain: draft), behind: prompt.count)
            return caches[0]
        }
        let right = afterReject(keeping: [])
        #expect(SpeculativeDecoderTests.contents(right) == Self.contents(plain.cache, 63))
        #expect(right.pageCount == 1)
        let wrong = afterReject(keeping: [0, 1])
        #expect(wrong.pageCount == 2)
        #expect(Self.contents(wrong, 63) == Self.contents(right, 63))
        #expect(Self.contents(wrong, 64) != Self.contents(plain.cache, 64))
    }
}
