package import GLMModel
import GLMTensor

/// A draft while it grows: the frontier's rows go to the MTP layer, its outputs become their children.
///
/// Source: specification §8.4; a chain is the tree with one child a node.
package struct DraftGrowth {
    private struct Node {
        let token: Int32
        let parent: Int?
        /// Product of the probabilities on the path.
        let score: Double
        /// The draft's hidden state that the token was drawn from: u of the row that takes the token.
        let hidden: ArraySlice<Float>
        /// Row of the draft cache behind the committed ones, once the layer has run the token.
        var row: Int?
    }

    private let shape: DraftShape
    /// What the round's first row attended to, where all rows of the round use it.
    private let sharedKeys: KeySelection.Row?
    private let keepsLogits: Bool
    private var nodes: [Node] = []
    private var frontier: [Int] = []
    private var branches: TokenBranches
    private var logits: [Float] = []
    private var margins: [Float] = []
    /// How likely the whole chain stands, where a policy asks.
    private var path = 1.0
    /// Whether the policy of a chain wants more of it.
    package private(set) var isOpen = true

    /// - Parameters:
    ///   - base: rows of the draft cache that are committed.
    ///   - keys: the selection of the last of them, if later rows are to use it.
    package init(_ shape: DraftShape, base: Int, keys: KeySelection.Row?, keepsLogits: Bool) {
        self.shape = shape
        sharedKeys = keys
        self.keepsLogits = keepsLogits
        branches = TokenBranches(base: base)
    }

    /// The children of the root, from the last committed row.
    package mutating func begin(_ output: EagleOutput, row: Int) {
        expand(nil, score: 1, output, row: row)
        weigh(output.logits.row(row))
        frontier = Array(nodes.indices)
    }

    /// The rows of the next pass: the frontier's tokens.
    package mutating func nextRows() -> EagleStep {
        var hidden: [Float] = []
        for node in frontier {
            nodes[node].row = branches.parents.count
            branches.append(parent: nodes[node].parent.flatMap { nodes[$0].row })
            hidden += nodes[node].hidden
        }
        return EagleStep(
            tokens: frontier.map { nodes[$0].token },
            hidden: Tensor(shape: [frontier.count, hidden.count / frontier.count], values: hidden),
            logitRows: frontier.count, tree: shape.topK > 1 ? branches : nil,
            keys: frontier.compactMap { keys(of: $0) })
    }

    /// Children of the frontier; the most probable of them are the next frontier.
    /// - Parameter row: the output's row of the frontier's first node; moved behind its last.
    package mutating func grow(_ output: EagleOutput, row: inout Int) {
        let first = nodes.count
        for node in frontier {
            expand(node, score: nodes[node].score, output, row: row)
            weigh(output.logits.row(row))
            row += 1
        }
        frontier = best(shape.topK, of: Array(first..<nodes.count))
    }

    /// The nodes that are verified: the best of all, in order of creation.
    package var tree: DraftTree {
        var tree = DraftTree()
        tree.margins = margins
        var places: [Int: Int] = [:]
        let kept = best(shape.rows - 1, of: Array(nodes.indices))
        for node in kept {
            places[node] = tree.tokens.count
            tree.append(nodes[node].token, parent: nodes[node].parent.flatMap { places[$0] })
        }
        if keepsLogits, !nodes.isEmpty {
            tree.logits = Tensor(shape: [nodes.count, logits.count / nodes.count], values: logits).rows(kept)
        }
        return tree
    }

    /// The nodes with the highest scores, ties to the earlier one, in order of creation. Ancestors are always among
    /// them, because a child never scores higher than its parent and is created later.
    private func best(_ count: Int, of candidates: [Int]) -> [Int] {
        guard count < candidates.count else { return candidates }
        let ranked = candidates.sorted {
            nodes[$0].score > nodes[$1].score || nodes[$0].score == nodes[$1].score && $0 < $1
        }
        return ranked.prefix(count).sorted()
    }

    /// Takes the newest draft of a chain back where it is not worth a row, and ends the chain where it should.
    private mutating func weigh(_ row: ArraySlice<Float>) {
        guard let policy = shape.policy else { return }
        let place = margins.count
        let margin = LikelyTokens.margin(of: row)
        margins.append(margin)
        path = policy.extend(path, by: margin, place: place)
        guard policy.includes(place, path: path) else {
            nodes.removeLast()
            if keepsLogits { logits.removeLast(row.count) }
            return isOpen = false
        }
        isOpen = policy.continues(place + 1, path: path)
    }

    private mutating func expand(_ parent: Int?, score: Double, _ output: EagleOutput, row: Int) {
        let candidates = LikelyTokens.largest(shape.topK, of: output.logits.row(row))
        for candidate in candidates {
            nodes.append(
                Node(
                    token: candidate.token, parent: parent, score: score * candidate.probability,
                    hidden: output.hidden.row(row)))
            if keepsLogits { logits += output.logits.row(row) }
        }
    }

    /// The shared selection, and the node's own path behind it.
    private func keys(of node: Int) -> KeySelection.Row? {
        guard let sharedKeys, let row = nodes[node].row else { return nil }
        let path = branches.path(to: row)
        switch sharedKeys {
        case .all(let count):
            let isOnePiece = count == branches.base && path.last == path.count - 1
            if isOnePiece { return .all(count + path.count) }
            return .positions((0..<Int32(count)) + path.map { Int32(branches.base + $0) })
        case .positions(let keys): return .positions(keys + path.map { Int32(branches.base + $0) })
        }
    }
}

/// The most probable tokens of a row of logits.
enum LikelyTokens {
    /// By how much the largest logit exceeds the next; 0 where that is no number. NaN counts as −∞.
    static func margin(of row: ArraySlice<Float>) -> Float {
        var (first, second) = (-Float.infinity, -Float.infinity)
        for logit in row where logit > second {
            (first, second) = logit > first ? (logit, first) : (first, logit)
        }
        let margin = first - second
        return margin.isFinite ? margin : 0
    }

    /// The `count` largest, by descending logit with ties to the lower id, and their probabilities.
    ///
    /// A single one is not weighed: its probability is given as 1. NaN counts as −∞.
    static func largest(_ count: Int, of row: ArraySlice<Float>) -> [(token: Int32, probability: Double)] {
        guard count > 1 else { return [(Int32(Sampler.largest(of: row)), 1)] }
        var best: [(token: Int32, logit: Float)] = []
        var bar = -Float.infinity
        for (token, logit) in row.enumerated() where logit > bar {
            let place = best.lastIndex { $0.logit >= logit }.map { $0 + 1 } ?? 0
            best.insert((Int32(token), logit), at: place)
            if best.count > count { best.removeLast() }
            if best.count == count { bar = best[count - 1].logit }
        }
        let top = Double(best.first?.logit ?? 0)
        let mass = row.reduce(UInt64(0)) { $0 + exponentialWeight(min(0, Double($1) - top)) }
        return best.map { ($0.token, Double(exponentialWeight(Double($0.logit) - top)) / Double(mass)) }
    }
}
