import GLMDecoding
import GLMEngine
import GLMModel
import Synchronization
import Testing

/// What is drafted depends on the sequence alone, not on how its prompt was cut or who else is there. Answers cannot
/// tell: they are the same whatever is drafted.
@Suite struct DraftIndependenceTests {
    /// Notes what another drafter drafts, by the place in its sequence where the draft begins.
    final class Recorder: Drafter {
        /// Whether drafts go to the sequence beside the one they were made for: a control.
        private let crosses: Bool
        private let drafter: EagleDrafter
        private let notes = Mutex<[Int: DraftTree]>([:])

        init(_ model: LanguageModel, crosses: Bool) throws {
            drafter = try #require(EagleDrafter(model, keepsLogits: true))
            self.crosses = crosses
        }

        var drafts: [Int: DraftTree] { notes.withLock { $0 } }

        func makeState(prompt: [Int32]) -> DraftState { drafter.makeState(prompt: prompt) }

        func absorb(_ states: inout [DraftState]) { drafter.absorb(&states) }

        func draft(_ shapes: [DraftShape], _ states: inout [DraftState]) -> [DraftTree] {
            let places = states.map { ($0.cache?.length ?? 0) + $0.pendingTokens.count }
            var trees = drafter.draft(shapes, &states)
            if crosses { trees.append(trees.removeFirst()) }
            notes.withLock { for (place, tree) in zip(places, trees) { $0[place] = tree } }
            return trees
        }
    }

    static let tokens = 30
    /// Further apart than answers are long, so that a place tells the prompt.
    static let lengths = [3, 40, 77, 115, 150, 230]

    /// All drafts, with the logits they were taken from.
    static func drafts(
        _ model: LanguageModel, _ prompts: [[Int32]], topK: Int, batch: Int, chunk: Int, crosses: Bool = false
    ) async throws -> [Int: DraftTree] {
        let speculation = SpeculationParameters(steps: .fixed(3), topK: topK)
        var all: [Int: DraftTree] = [:]
        // One engine a prompt where they run alone.
        for group in batch == 1 ? prompts.map({ [$0] }) : [prompts] {
            let recorder = try Recorder(model, crosses: crosses)
            let outcomes = try await answers(
                group.map { greedy($0, tokens: tokens, speculation: speculation) }, model, drafter: recorder,
                batch: batch, chunk: chunk)
            #expect(outcomes.allSatisfy { $0.tokens.count == tokens })
            all.merge(recorder.drafts) { first, _ in first }
        }
        return all
    }

    /// Places where both drafted, and at how many of them the drafts differ in tokens, shape or a bit of their logits.
    static func compare(_ first: [Int: DraftTree], _ second: [Int: DraftTree]) -> (both: Int, differ: Int) {
        let both = first.keys.filter { second[$0] != nil }
        return (both.count, both.count { first[$0] != second[$0] })
    }

    /// Engines measure plain steps at times of their own, so rounds need not begin at the same places.
    @Test(arguments: ["nano", "tiny"], [1, 3])
    func draftsDoNotDependOnChunksOrNeighbours(name: String, topK: Int) async throws {
        let source = try SpeculationModel.named(name)
        let prompts = Self.lengths.map {
            SpeculativeDecoderTests.prompt($0, salt: $0, vocabulary: source.model.vocabularySize)
        }
        func drafts(_ prompts: [[Int32]], batch: Int, chunk: Int, crosses: Bool = false) async throws
            -> [Int: DraftTree]
        {
            try await Self.drafts(
                source.model, prompts, topK: topK, batch: batch, chunk: chunk, crosses: crosses)
        }
        let alone = try await drafts(prompts, batch: 1, chunk: 512)
        for (batch, chunk) in [(6, 512), (6, 5), (1, 5), (3, 33)] {
            let (both, differ) = Self.compare(alone, try await drafts(prompts, batch: batch, chunk: chunk))
            #expect(differ == 0, "batches of \(batch), chunks of \(chunk): \(differ) of \(both)")
            #expect(both > 2 * prompts.count)
        }
        // Controls: a draft that went to a neighbour shows, and so does one token of the prompt, as a lost chunk would.
        let crossed = Self.compare(
            alone, try await drafts(prompts, batch: 6, chunk: 512, crosses: true))
        #expect(crossed.differ > crossed.both / 2)
        let other = prompts.map { [($0[0] + 1) % 50] + $0.dropFirst() }
        let changed = Self.compare(alone, try await drafts(other, batch: 6, chunk: 5))
        #expect(changed.differ > changed.both / 2, "\(changed)")
    }
}
