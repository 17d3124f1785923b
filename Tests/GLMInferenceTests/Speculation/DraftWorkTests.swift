import GLMDecoding
import GLMEngine
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMTensor
import Testing

/// Rows of the MTP layer that nobody reads cost what later rows attend to, and nothing else: no attention, no experts, no
/// head.
@Suite struct DraftWorkTests {
    let profile = Profile()
    let model: LanguageModel
    private let source: SpeculationModel

    init() throws {
        source = try SpeculationModel(.nano, profile: profile)
        model = source.model
    }

    /// Operations of the MTP layer by their names, of all passes since the profile was reset.
    private var operations: [String: Int] {
        profile.entries.filter { $0.key.phase == "draft" }
            .reduce(into: [:]) { $0[$1.key.operation, default: 0] += $1.work.operations }
    }

    /// Of one row of the head.
    private var headRow: Int { 2 * model.configuration.vocabularySize * model.configuration.hiddenSize }

    /// `count` rows, of which the last `read` are read.
    private func step(_ count: Int, read: Int) -> EagleStep {
        let hidden = model.configuration.hiddenSize
        return EagleStep(
            tokens: (0..<count).map { Int32($0 * 37 % 300) },
            hidden: Tensor(
                shape: [count, hidden], values: (0..<count * hidden).map { Float($0 % 17) / 17 - 0.5 }),
            logitRows: read)
    }

    /// Operations of one pass over these steps, each behind `behind` rows that are in its cache already.
    private func cost(_ steps: [EagleStep], behind: Int = 0) -> [String: Int] {
        var caches = steps.map { _ in model.makeDraftCache() }
        if behind > 0 { _ = model.draft(steps.map { _ in step(behind, read: 0) }, caches: &caches) }
        profile.reset()
        _ = model.draft(steps, caches: &caches)
        return operations
    }

    @Test func theHeadRunsForRowsThatAreRead() {
        for read in [1, 3, 20] { #expect(cost([step(20, read: read)])["head"] == read * headRow) }
        #expect(cost([step(20, read: 0), step(9, read: 2), step(4, read: 1)])["head"] == 3 * headRow)
        #expect(Set(cost([step(20, read: 0)]).keys) == ["draftInput", "draftCache"])
    }

    /// One row that is read behind 19 that are not: the layer's work is that of the row alone, its 19 neighbours being in
    /// the cache.
    @Test func unreadRowsCostTheirKeysOnly() {
        func layer(_ cost: [String: Int]) -> [String: Int] {
            cost.filter { !["draftInput", "draftCache"].contains($0.key) }
        }
        let together = cost([step(20, read: 1)])
        let alone = cost([step(1, read: 1)], behind: 19)
        #expect(layer(together) == layer(alone))
        #expect(["attention", "experts", "head", "output"].allSatisfy { layer(alone)[$0, default: 0] > 0 })
        let c = model.configuration
        let keys = c.latentRank + c.ropeDimension + c.indexHeadDimension
        #expect(together["draftCache"] == 19 * 2 * keys * c.hiddenSize)
        #expect(together["draftInput"] == 20 * 2 * 2 * c.hiddenSize * c.hiddenSize)
        // Control: rows that are read do cost more.
        let read = layer(cost([step(20, read: 20)]))
        #expect(read.allSatisfy { $0.value > layer(alone)[$0.key, default: 0] || $0.value == 0 })
    }

    /// Whole rounds: one row of the head for every row that a draft is grown from. Prompts cost none.
    @Test(arguments: [
        (DraftShape.chain(1), 1), (.chain(4), 4), (DraftShape(steps: 3, topK: 2, rows: 7), 5),
        (DraftShape(steps: 4, topK: 3, rows: 12), 10),
    ]) func aRoundReadsWhatItGrowsFrom(shape: DraftShape, rows: Int) throws {
        let decoder = try #require(SpeculativeDecoder(model))
        profile.reset()
        var sequences = [3, 17, 90].map { length in
            decoder.begin((0..<length).map { Int32($0 * 31 % 400) })
        }
        #expect(operations["head", default: 0] == 0)
        #expect(operations["draftCache", default: 0] > 0)
        for _ in 0..<4 {
            profile.reset()
            _ = decoder.round(shape, &sequences)
            #expect(operations["head"] == 3 * rows * headRow)
        }
    }
}
