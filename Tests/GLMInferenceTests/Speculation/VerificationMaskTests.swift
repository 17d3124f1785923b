import GLMDecoding
import GLMEngine
import GLMModel
import GLMTensor
import Testing

/// Negative control of the equality tests: a verification whose mask is off by one, and in nothing else different.
@Suite struct VerificationMaskTests {
    /// What the rows behind a draft's root see.
    enum Mask: CaseIterable {
        case right
        /// Each row misses the one before it.
        case missesTheRowBefore
        /// Each row sees the one behind it too.
        case seesTheRowBehind

        /// The keys of a row of a verified chain.
        func keys(_ keys: KeySelection.Row, position: Int, rows: Range<Int>, row: Int) -> KeySelection.Row {
            var chosen: [Int32]
            switch keys {
            case .all(let count): chosen = (0..<count).map { Int32($0) }
            case .positions(let positions): chosen = positions
            }
            switch self {
            case .right: break
            case .missesTheRowBefore where row > rows.lowerBound:
                chosen.removeAll { $0 == Int32(position - 1) }
            case .seesTheRowBehind where row + 1 < rows.upperBound: chosen.append(Int32(position + 1))
            default: break
            }
            return .positions(chosen)
        }
    }

    /// A model that verifies chains under a mask. Every layer chooses its keys first, and attends to them without or with
    /// one; positions, and what the caches keep of a row, are as ever.
    struct Masked: ModelRunner {
        let model: LanguageModel
        let mask: Mask

        var vocabularySize: Int { model.vocabularySize }
        var contextSize: Int { model.contextSize }
        func makeCache() -> SequenceCache { model.makeCache() }
        func length(of cache: SequenceCache) -> Int { cache.length }
        func keep(_ path: [Int], of tree: DraftTree, behind length: Int, in cache: inout SequenceCache) {
            cache.keep(path, of: tree, behind: length)
        }

        func forward(_ steps: [SequenceStep], caches: inout [SequenceCache]) -> ForwardOutput {
            let trunk = model.transformer
            let batch = RaggedBatch(
                counts: steps.map(\.tokens.count), caches: caches, rotary: trunk.rotary,
                trees: steps.map(\.tree))
            for index in caches.indices { caches[index].reserve(steps[index].tokens.count) }
            var h = trunk.embed(steps.flatMap(\.tokens))
            var inherited: KeySelection?
            for (index, layer) in trunk.layers.enumerated() {
                let own = layer(
                    h, layer: index, batch: batch, caches: &caches, selection: inherited, trace: nil
                ).1
                inherited = own
                var masked = batch
                masked.selection = masking(own, batch, steps)
                h = layer(h, layer: index, batch: masked, caches: &caches, selection: nil, trace: nil).0
            }
            for index in caches.indices { caches[index].advance(steps[index].tokens.count) }
            var (wanted, scored): ([Int], [Int]) = ([], [])
            for (segment, step) in zip(batch.segments, steps) {
                wanted += segment.rows.suffix(step.hiddenRows)
                scored += (wanted.count - step.logitRows)..<wanted.count
            }
            let hidden = trunk.finalNorm(h.rows(wanted))
            return ForwardOutput(logits: trunk.logits(hidden.rows(scored)), hidden: hidden)
        }

        private func masking(
            _ own: KeySelection, _ batch: RaggedBatch, _ steps: [SequenceStep]
        ) -> KeySelection {
            let rows = (0..<batch.rowCount).map { row in
                let segment = batch.segmentOfRow[row]
                let isVerified =
                    steps[segment].tokens.count > 1 && steps[segment].logitRows == steps[segment].tokens.count
                return (isVerified ? mask : .right).keys(
                    own[row], position: batch.positions[row], rows: batch.segments[segment].rows, row: row)
            }
            return KeySelection(rows, visible: batch.visibleKeys)
        }
    }

    /// Prompts shorter and longer than `index_topk`; the drafts are right, so that every row is read.
    @Test(arguments: ["tiny", "shared-odd"], Mask.allCases)
    func aMaskThatIsOffByOneShows(name: String, mask: Mask) async throws {
        let model = try SpeculativeDecoderTests.load(name)
        let prompts = (0..<12).map {
            SpeculativeDecoderTests.prompt(2 + 5 * $0, salt: $0, vocabulary: model.vocabularySize)
        }
        let plain = try await answers(prompts.map { greedy($0, tokens: 24) }, model).map(\.tokens)
        let drafter = MixingDrafter(
            probability: 1,
            continuations: Dictionary(zip(prompts, plain), uniquingKeysWith: { first, _ in first }),
            vocabularySize: model.vocabularySize, seed: 1)
        let requests = prompts.map { greedy($0, tokens: 24, speculation: SpeculationParameters()) }
        let outcomes = try await answers(requests, Masked(model: model, mask: mask), drafter: drafter)
        let different = zip(outcomes, plain).count { $0.tokens != $1 }
        print("\(name), \(mask): \(different) of \(prompts.count) answers differ")
        #expect(different == (mask == .right ? 0 : prompts.count))
    }
}
