import GLMDecoding
import GLMEngine
import GLMModel
import GLMSynthesis
import GLMTensor
import Testing

/// Rows of a tree get, bit for bit, what their path alone would get; and accepted paths leave the caches of plain
/// decoding.
@Suite struct TokenBranchesTests {
    /// A tree of `count` random nodes with random tokens.
    static func tree(_ count: Int, vocabulary: Int, seed: UInt64) -> DraftTree {
        let random = CounterRandom(seed: seed, stream: 5)
        var tree = DraftTree()
        for node in 0..<count {
            let bits = random.bits(at: UInt64(node))
            let parent = Int(bits % UInt64(node + 1))
            tree.append(
                Int32((bits >> 32) % UInt64(vocabulary)), parent: parent == 0 ? nil : parent - 1)
        }
        return tree
    }

    static func path(_ tree: DraftTree, to node: Int) -> [Int] {
        var path: [Int] = []
        var next: Int? = node
        while let current = next {
            path.append(current)
            next = tree.parents[current]
        }
        return path.reversed()
    }

    @Test(arguments: [4, 15, 16, 17, 90]) func rowsSeeTheirPathAlone(length: Int) throws {
        let source = try SpeculationModel(.nano)
        let model = source.model
        let prompt = SpeculativeDecoderTests.prompt(length, salt: 3, vocabulary: model.vocabularySize)
        let other = SpeculativeDecoderTests.prompt(33, salt: 4, vocabulary: model.vocabularySize)
        var filled = [model.makeCache(), model.makeCache()]
        _ = model.forward(
            [SequenceStep(tokens: prompt, logitRows: 0), SequenceStep(tokens: other, logitRows: 0)],
            caches: &filled)
        for seed in 0..<6 {
            let tree = Self.tree(9, vocabulary: model.vocabularySize, seed: UInt64(seed))
            var caches = filled
            let output = model.forward(
                [
                    tree.step(root: 5, length: length),
                    SequenceStep(tokens: [1, 2, 3], logitRows: 3),
                ], caches: &caches)
            for node in tree.tokens.indices {
                let path = Self.path(tree, to: node)
                var plain = [filled[0]]
                let tokens = [5] + path.map { tree.tokens[$0] }
                let expected = model.forward(
                    [SequenceStep(tokens: tokens, logitRows: 1)], caches: &plain)
                #expect(
                    output.logits.row(node + 1).map(\.bitPattern)
                        == expected.logits.row(0).map(\.bitPattern), "node \(node) of tree \(seed)")
                var kept = caches[0]
                kept.keep(path, of: tree, behind: length)
                #expect(SpeculativeDecoderTests.contents(kept) == SpeculativeDecoderTests.contents(plain[0]))
                #expect(kept.pageCount == plain[0].pageCount)
            }
        }
    }

    /// Negative control: a row that sees its uncle instead of its parent, at the same depth, gets other bits.
    @Test func aRowThatSeesAnotherPathShows() throws {
        let model = try SpeculationModel.named("tiny").model
        let prompt = SpeculativeDecoderTests.prompt(20, salt: 3, vocabulary: model.vocabularySize)
        var filled = [model.makeCache()]
        _ = model.forward([SequenceStep(tokens: prompt, logitRows: 0)], caches: &filled)
        func bits(parent: Int) -> [UInt32] {
            var tree = DraftTree()
            for token in [7, 9] as [Int32] { tree.append(token, parent: nil) }
            tree.append(11, parent: parent)
            var caches = filled
            let output = model.forward([tree.step(root: 5, length: 20)], caches: &caches)
            return output.logits.row(3).map(\.bitPattern)
        }
        #expect(bits(parent: 0) != bits(parent: 1))
        #expect(bits(parent: 0) == bits(parent: 0))
    }

    /// Compacting moves rows only in pages of its own.
    @Test func compactingLeavesCopiesAlone() throws {
        let model = try SpeculationModel(.nano).model
        let tree = Self.tree(6, vocabulary: model.vocabularySize, seed: 2)
        var caches = [model.makeCache()]
        _ = model.forward([SequenceStep(tokens: [1, 2, 3], logitRows: 0)], caches: &caches)
        _ = model.forward([tree.step(root: 4, length: 3)], caches: &caches)
        let copy = caches[0]
        let before = SpeculativeDecoderTests.contents(copy)
        caches[0].keep([3], of: tree, behind: 3)
        #expect(SpeculativeDecoderTests.contents(copy) == before)
        #expect(caches[0].length == 5)
    }

    @Test func pathsAndDepths() {
        var tree = TokenBranches(base: 10)
        for parent in [nil, 0, 0, 1, 3] as [Int?] { tree.append(parent: parent) }
        #expect(tree.depths == [0, 1, 1, 2, 3])
        #expect(tree.path(to: 4) == [0, 1, 3, 4])
        #expect(tree.path(to: 2) == [0, 2])
    }
}
