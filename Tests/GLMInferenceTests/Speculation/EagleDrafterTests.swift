import GLMDecoding
import GLMEngine
import GLMModel
import GLMParallel
import GLMSynthesis
import GLMTensor
import Testing

@Suite struct EagleDrafterTests {
    /// The drafts of a few rounds, and the tokens they led to.
    struct Play: Equatable {
        var trees: [[DraftTree]] = []
        var tokens: [[Int32]]
    }

    static func play(_ model: LanguageModel, _ prompts: [[Int32]], _ shape: DraftShape) throws -> Play {
        let decoder = try #require(SpeculativeDecoder(model))
        var sequences = prompts.map { decoder.begin($0) }
        var play = Play(tokens: sequences.map { [$0.root] })
        for _ in 0..<8 {
            let rounds = decoder.round(shape, &sequences).rounds
            play.trees.append(rounds.map(\.draft))
            for (index, round) in rounds.enumerated() { play.tokens[index] += round.emitted }
        }
        return play
    }

    static func prompts(_ model: LanguageModel, _ lengths: [Int]) -> [[Int32]] {
        lengths.map { SpeculativeDecoderTests.prompt($0, salt: $0, vocabulary: model.vocabularySize) }
    }

    static let shapes = [
        DraftShape.chain(4), DraftShape(steps: 3, topK: 2, rows: 6), DraftShape(steps: 4, topK: 3, rows: 12),
    ]

    /// Drafts that reuse the selection of the round's first row: the answer is plain decoding's, and where all keys
    /// are attended to anyway the drafts are the same as without.
    @Test(arguments: shapes) func aSharedIndexChangesDraftsOnly(shape: DraftShape) throws {
        let own = try SpeculationModel(.nano).model
        let shared = try SpeculationModel(.nano, sharesIndex: true)
        #expect(shared.model.configuration.sharesIndexAcrossDrafts)
        let long = Self.prompts(own, [17, 40, 70, 90])
        let play = try Self.play(shared.model, long, shape)
        for (prompt, tokens) in zip(long, play.tokens) {
            #expect(
                tokens == SpeculativeDecoderTests.plain(own, prompt, count: tokens.count).tokens)
        }
        // No round of these comes near index_topk, 16, before the third.
        let short = Self.prompts(own, [2, 3])
        let (first, second) = try (Self.play(own, short, shape), Self.play(shared.model, short, shape))
        #expect(first.trees.prefix(2) == second.trees.prefix(2))
    }

    /// Sequences that draft together end their chains each for itself; what they draft until then is the same.
    @Test func aPolicyCutsEachChainWhereItsMarginFalls() throws {
        let model = try SpeculationModel(.nano).model
        let prompts = Self.prompts(model, [9, 17, 30, 41, 52, 70])
        func drafts(_ policy: DraftPolicy) throws -> [DraftTree] {
            let drafter = try #require(EagleDrafter(model))
            var states = prompts.map { drafter.makeState(prompt: $0) }
            for (index, prompt) in prompts.enumerated() {
                var caches = [model.makeCache()]
                let step = SequenceStep(tokens: prompt, logitRows: 1, hiddenRows: prompt.count)
                let output = model.forward([step], caches: &caches)
                let root = Int32(Sampler.largest(of: output.logits.row(0)))
                states[index].commit(
                    Array(prompt.dropFirst()) + [root], hidden: output.hidden, generated: 1)
            }
            return drafter.draft(prompts.map { _ in .chain(4, policy: policy) }, &states)
        }
        let whole = try drafts(.everything(4))
        #expect(whole.allSatisfy { $0.tokens.count == 4 && $0.margins.count == 4 })
        let margins = whole.flatMap(\.margins).sorted()
        let bar = (margins[margins.count / 4] + margins[margins.count / 4 - 1]) / 2
        // A step at the bar: no path survives a margin below it.
        let step = AcceptanceCurve(weights: [0, 1e9, 0], mean: Double(bar), deviation: 1)
        let zeros = [Double](repeating: 0, count: 4)
        let cut = try drafts(DraftPolicy(step, continuing: zeros, including: zeros.map { _ in 0.5 }))
        for (cut, whole) in zip(cut, whole) {
            let kept = whole.margins.prefix { $0 > bar }.count
            #expect(cut.tokens == Array(whole.tokens.prefix(kept)))
            #expect(cut.margins == Array(whole.margins.prefix(kept + 1)))
        }
        // Control: the chains do end in different places.
        #expect(Set(cut.map(\.tokens.count)).count > 1)
    }

    /// A chain is the tree with one child a node, and a tree holds the chain's tokens.
    @Test func aChainIsATree() throws {
        let model = try SpeculationModel(.nano).model
        let prompts = Self.prompts(model, [9, 30])
        let chain = try Self.play(model, prompts, .chain(3))
        #expect(chain.trees.joined().allSatisfy { $0.isChain && $0.depth == 3 })
        let tree = try Self.play(model, prompts, DraftShape(steps: 3, topK: 2, rows: 11))
        for (trees, chains) in zip(tree.trees[0], chain.trees[0]) {
            #expect(trees.tokens.count == 10)
            #expect(trees.children(of: nil).count == 2)
            #expect(trees.tokens[0] == chains.tokens[0])
        }
        #expect(Set(tree.tokens.map { $0.prefix(8) }) == Set(chain.tokens.map { $0.prefix(8) }))
    }

    /// Taking in a prompt's hidden states early, in pieces, changes no draft.
    @Test func absorbingChangesNothing() throws {
        let model = try SpeculationModel(.nano).model
        let drafter = try #require(EagleDrafter(model))
        let prompt = Self.prompts(model, [50])[0]
        var caches = [model.makeCache()]
        let output = model.forward(
            [SequenceStep(tokens: prompt, logitRows: 1, hiddenRows: prompt.count)], caches: &caches)
        let tokens = Array(prompt.dropFirst()) + [7]
        func draft(pieces: [Int]) -> [DraftTree] {
            var states = [drafter.makeState(prompt: prompt)]
            var begin = 0
            for piece in pieces {
                let rows = Array(begin..<(begin + piece))
                states[0].commit(rows.map { tokens[$0] }, hidden: output.hidden.rows(rows), generated: 0)
                drafter.absorb(&states)
                #expect(states[0].pendingTokens.count == 1)
                begin += piece
            }
            return drafter.draft([.chain(4)], &states)
        }
        let whole = draft(pieces: [50])
        #expect(draft(pieces: [1, 20, 28, 1]) == whole)
        #expect(whole[0].tokens.count == 4)
    }

    /// Several devices draft, verify and compact trees as one does.
    @Test func devicesSpeculateTogether() throws {
        func load(_ devices: Int) throws -> LanguageModel {
            var options = LoadOptions(threads: 1)
            options.devices.layout = ParallelLayout(tensor: devices)
            return try LanguageModel.load(
                directory: "\(GoldenVerifierTests.root)/tiny/bf16", options: options)
        }
        let model = try load(2)
        for shape in Self.shapes {
            let prompts = Self.prompts(model, [3, 12, 40])
            let play = try Self.play(model, prompts, shape)
            for (prompt, tokens) in zip(prompts, play.tokens) {
                #expect(
                    tokens == SpeculativeDecoderTests.plain(model, prompt, count: tokens.count).tokens)
            }
        }
        model.disband()
    }
}
