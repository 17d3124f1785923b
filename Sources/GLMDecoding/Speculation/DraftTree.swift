package import GLMModel
package import GLMTensor

/// The tokens drafted for one sequence: a tree behind its root, in order of creation; usually a chain.
package struct DraftTree: Sendable, Equatable {
    /// The drafted tokens.
    package private(set) var tokens: [Int32] = []
    /// The drafted token that each one follows; nil behind the root.
    package private(set) var parents: [Int?] = []
    /// The logits behind each token, `[tokens, vocabulary]`, where the drafter was asked to keep them.
    package var logits: Tensor?

    /// By how much each draft's logit exceeds the next best, where a policy asked; of one more than `tokens`, where the last
    /// draft was not worth verifying.
    package var margins: [Float] = []

    /// Nothing drafted.
    package init() {}

    /// A chain.
    package init(chain tokens: [Int32]) {
        for token in tokens { append(token, parent: self.tokens.indices.last) }
    }

    /// Adds a token behind another, or behind the root.
    package mutating func append(_ token: Int32, parent: Int?) {
        precondition(parent.map { tokens.indices.contains($0) } ?? true, "a token behind \(parent ?? 0)")
        tokens.append(token)
        parents.append(parent)
    }

    /// Whether every token follows the one before it.
    package var isChain: Bool { parents.indices.allSatisfy { parents[$0] == ($0 == 0 ? nil : $0 - 1) } }

    /// Tokens on the longest path.
    package var depth: Int {
        var depths: [Int] = []
        for parent in parents { depths.append(parent.map { depths[$0] + 1 } ?? 1) }
        return depths.max() ?? 0
    }

    /// How often the drafter ran for it.
    package var passes: Int { max(depth, margins.count) }

    /// What follows a drafted token, or the root, siblings in order of creation.
    package func children(of node: Int?) -> [Int] { parents.indices.filter { parents[$0] == node } }

    /// The trunk's rows that verify this tree: the root, then the tokens; all of them want logits.
    /// - Parameter length: rows that the sequence's cache holds.
    package func step(root: Int32, length: Int) -> SequenceStep {
        var branches: TokenBranches?
        if !isChain {
            var tree = TokenBranches(base: length)
            tree.append(parent: nil)
            for parent in parents { tree.append(parent: parent.map { $0 + 1 } ?? 0) }
            branches = tree
        }
        return SequenceStep(tokens: [root] + tokens, logitRows: tokens.count + 1, tree: branches)
    }
}
