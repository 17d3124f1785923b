/// How much is drafted in one round: a chain, or a tree of bounded size.
///
/// Source: specification §8.2 and §8.4; SGLang `--speculative-num-steps`, `--speculative-eagle-topk`,
/// `--speculative-num-draft-tokens`.
package struct DraftShape: Sendable, Equatable {
    /// Longest path of drafted tokens; 0 drafts nothing.
    package let steps: Int
    /// Children of a node, and nodes that a step expands; 1 makes a chain.
    package let topK: Int
    /// Rows that the trunk verifies: the root and the drafted tokens that are kept.
    package let rows: Int
    /// When a chain ends before its last step; nil where it never does.
    package private(set) var policy: DraftPolicy?

    /// A tree of which the `rows - 1` most probable nodes are kept.
    /// - Precondition: no number is too small; a chain has one row more than steps.
    package init(steps: Int, topK: Int, rows: Int) {
        precondition(steps >= 0 && topK >= 1 && rows >= 1, "\(steps) steps, top \(topK), \(rows) rows")
        precondition(topK > 1 || rows == steps + 1, "a chain of \(steps) steps has \(steps + 1) rows")
        self.steps = steps
        self.topK = topK
        self.rows = rows
    }

    /// `steps` tokens, each behind the one before.
    package static func chain(_ steps: Int, policy: DraftPolicy? = nil) -> DraftShape {
        var shape = DraftShape(steps: steps, topK: 1, rows: steps + 1)
        shape.policy = steps > 0 ? policy : nil
        return shape
    }

    /// Nodes that `steps` steps of `topK` generate before the best of them are kept.
    package static func generatedNodes(steps: Int, topK: Int) -> Int {
        steps == 0 ? 0 : topK + (steps - 1) * topK * topK
    }

    /// The part of this shape that a sequence has room for.
    ///
    /// - Parameters:
    ///   - depth: how many drafted tokens could be accepted at most.
    ///   - rows: rows of the caches that are free.
    package func limited(depth: Int, rows available: Int) -> DraftShape {
        guard depth < steps || available < rows else { return self }
        let depth = max(0, min(steps, depth, available - 1))
        guard topK > 1, depth > 0 else { return .chain(depth, policy: policy) }
        return DraftShape(steps: depth, topK: topK, rows: max(1, min(rows, available)))
    }
}
