import Foundation
import GLMDecoding
import GLMModel
import GLMTensor
import Testing

/// Which nodes a tree has, in which order, worked out by hand; specification §8.4.
@Suite struct DraftGrowthTests {
    /// What the layer says of rows with these probabilities; row r has the hidden state [first + r].
    static func output(_ rows: [[Double]], first: Float = 0) -> EagleOutput {
        EagleOutput(
            logits: Tensor(
                shape: [rows.count, rows[0].count], values: rows.joined().map { Float(log($0)) }),
            hidden: Tensor(shape: [rows.count, 1], values: rows.indices.map { first + Float($0) }),
            selection: KeySelection(denseOver: [Int](repeating: 1, count: rows.count)))
    }

    static func branches(_ parents: [Int?], base: Int) -> TokenBranches {
        parents.reduce(into: TokenBranches(base: base)) { $0.append(parent: $1) }
    }

    /// Grows a draft from the root's probabilities and those of every later pass; what each pass was asked.
    static func grow(
        _ shape: DraftShape, root: [Double], _ passes: [[[Double]]], keys: KeySelection.Row? = nil
    ) -> (tree: DraftTree, steps: [EagleStep]) {
        var growth = DraftGrowth(shape, base: 8, keys: keys, keepsLogits: false)
        growth.begin(output([root], first: 90), row: 0)
        var steps: [EagleStep] = []
        for (number, pass) in passes.enumerated() {
            steps.append(growth.nextRows())
            var row = 0
            growth.grow(output(pass, first: Float(10 * (number + 1))), row: &row)
            #expect(row == pass.count)
        }
        return (growth.tree, steps)
    }

    /// A policy ends a chain before a pass that is not worth its time, and takes back a draft that is not worth a row.
    @Test func aPolicyEndsAChain() {
        let half = AcceptanceCurve(constant: 0.5)
        func grow(_ continuing: [Double], _ including: [Double], passes: Int) -> (DraftTree, isOpen: Bool) {
            let policy = DraftPolicy(half, continuing: continuing, including: including)
            var growth = DraftGrowth(.chain(3, policy: policy), base: 8, keys: nil, keepsLogits: true)
            growth.begin(Self.output([[0.2, 0.8]]), row: 0)
            for pass in 0..<passes {
                #expect(growth.isOpen, "closed before pass \(pass)")
                _ = growth.nextRows()
                var row = 0
                growth.grow(Self.output([[0.6, 0.4]]), row: &row)
            }
            return (growth.tree, growth.isOpen)
        }
        // Paths of ½ and ¼: the third pass would want 0.3.
        let short = grow([0, 0.4, 0.3], [0, 0.2, 0.1], passes: 1)
        #expect(short.0.tokens == [1, 0] && short.0.margins.count == 2 && !short.isOpen)
        // The second draft's path would have to be 0.3.
        let withdrawn = grow([0, 0.4, 0.1], [0, 0.3, 0.1], passes: 1)
        #expect(withdrawn.0.tokens == [1] && withdrawn.0.passes == 2 && !withdrawn.isOpen)
        #expect(withdrawn.0.logits?.rowCount == 1)
        #expect(abs(withdrawn.0.margins[1] - Float(log(1.5))) < 1e-6)
        let none = grow([0, 0, 0], [0.6, 0, 0], passes: 0)
        #expect(none.0.tokens.isEmpty && none.0.passes == 1)
        // Control: nothing asked, nothing taken back.
        let whole = grow([0, 0, 0], [0, 0, 0], passes: 2)
        #expect(whole.0.tokens.count == 3 && whole.0.margins.count == 3)
    }

    /// ```
    /// node  token  parent  score              node  token  parent  score
    ///    0      1    root  0.5                   5      1       1  0.31 · 0.3 = 0.093
    ///    1      3    root  0.31                  6      0       2  0.3 · 0.9 = 0.27
    ///    2      2       0  0.5 · 0.6 = 0.30      7      1       2  0.3 · 0.05 = 0.015
    ///    3      0       0  0.5 · 0.3 = 0.15      8      3       3  0.15 · 0.5 = 0.075
    ///    4      4       1  0.31 · 0.4 = 0.124     9      2       3  0.15 · 0.4 = 0.06
    /// ```
    /// Nodes 2 and 3 are expanded: both children of node 0, for 0.15 beats 0.124. The six best are 0, 1, 2, 6, 3
    /// and 4, and they stand in order of creation.
    static let root = [0.14, 0.5, 0.03, 0.31, 0.02]
    static let passes = [
        [[0.3, 0.04, 0.6, 0.03, 0.03], [0.1, 0.3, 0.1, 0.1, 0.4]],
        [[0.9, 0.05, 0.02, 0.02, 0.01], [0.02, 0.03, 0.4, 0.5, 0.05]],
    ]

    @Test func theBestNodesInOrderOfCreation() {
        let (tree, steps) = Self.grow(DraftShape(steps: 3, topK: 2, rows: 7), root: Self.root, Self.passes)
        #expect(tree.tokens == [1, 3, 2, 0, 4, 0])
        #expect(tree.parents == [nil, nil, 0, 0, 1, 2])
        // Each row takes the hidden state that its token was drawn from, and sees its own path.
        #expect(steps.map(\.tokens) == [[1, 3], [2, 0]])
        #expect(steps.map(\.hidden.values) == [[90, 90], [10, 10]])
        #expect(
            steps.map(\.tree)
                == [[nil, nil], [nil, nil, 0, 0]].map { Self.branches($0, base: 8) })
        #expect(steps.allSatisfy { $0.keys.isEmpty && $0.logitRows == 2 })
    }

    /// The same nodes, another number of rows: the next best is node 5, and the first to go is node 4.
    @Test(
        arguments: [
            (8, [1, 3, 2, 0, 4, 1, 0], [nil, nil, 0, 0, 1, 1, 2]),
            (6, [1, 3, 2, 0, 0], [nil, nil, 0, 0, 2]),
            (3, [1, 3], [nil, nil]), (2, [1], [nil]), (1, [], []),
        ] as [(Int, [Int32], [Int?])]) func asManyRowsAsAreWanted(rows: Int, tokens: [Int32], parents: [Int?])
    {
        let tree = Self.grow(DraftShape(steps: 3, topK: 2, rows: rows), root: Self.root, Self.passes).tree
        #expect(tree.tokens == tokens)
        #expect(tree.parents == parents)
    }

    /// Tokens that are equally likely: the lower id. Nodes with equal scores: the one made first, in the frontier as in
    /// the choice at the end.
    @Test func tiesGoToTheLowerIndex() {
        let tied = [0.3, 0.3, 0.3, 0.1]
        let (tree, steps) = Self.grow(
            DraftShape(steps: 3, topK: 2, rows: 6), root: [0.1, 0.4, 0.4, 0.1],
            [[tied, tied], [tied, tied]])
        #expect(steps.map(\.tokens) == [[1, 2], [0, 1]])
        #expect(steps[1].tree == Self.branches([nil, nil, 0, 0], base: 8))
        #expect(tree.tokens == [1, 2, 0, 1, 0])
        #expect(tree.parents == [nil, nil, 0, 0, 1])
    }

    @Test func aChainTakesTheLikeliestToken() {
        let (tree, steps) = Self.grow(
            .chain(3), root: [0.3, 0.4, 0.3], [[[0.4, 0.2, 0.4]], [[0.1, 0.1, 0.8]]])
        #expect(tree == DraftTree(chain: [1, 0, 2]))
        #expect(steps.map(\.tokens) == [[1], [0]])
        #expect(steps.map(\.hidden.values) == [[90], [10]])
        #expect(steps.allSatisfy { $0.tree == nil })
    }

    /// With a shared selection every row attends to that and to its own path, and to no sibling.
    @Test func aSharedSelectionIsFollowedByThePath() {
        let shape = DraftShape(steps: 3, topK: 2, rows: 7)
        let sparse = Self.grow(shape, root: Self.root, Self.passes, keys: .positions([0, 3, 7])).steps
        #expect(
            sparse.map(\.keys) == [
                [.positions([0, 3, 7, 8]), .positions([0, 3, 7, 9])],
                [.positions([0, 3, 7, 8, 10]), .positions([0, 3, 7, 8, 11])],
            ])
        let dense = Self.grow(shape, root: Self.root, Self.passes, keys: .all(8)).steps
        let prefix: [Int32] = [0, 1, 2, 3, 4, 5, 6, 7]
        #expect(
            dense.map(\.keys) == [
                [.all(9), .positions(prefix + [9])],
                [.positions(prefix + [8, 10]), .positions(prefix + [8, 11])],
            ])
        let chain = Self.grow(
            .chain(3), root: [0.3, 0.7], [[[0.2, 0.8]], [[0.6, 0.4]]], keys: .all(8)
        ).steps
        #expect(chain.map(\.keys) == [[.all(9)], [.all(10)]])
    }
}
