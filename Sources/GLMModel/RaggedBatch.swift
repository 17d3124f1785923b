import GLMParallel

/// The rows of one forward pass: tokens of several sequences, one behind the other.
///
/// Rows of different sequences never see each other; a row sees its own sequence's cached keys up to itself,
/// or in a tree those of its path. Of sequences that another group of devices serves there are no rows.
package struct RaggedBatch: Sendable {
    /// The rows of one sequence.
    package struct Segment: Sendable {
        /// Which of the caches handed to the forward pass.
        package let cache: Int
        /// Rows of the batch.
        package let rows: Range<Int>
    }

    package let segments: [Segment]
    /// Position of each row in its sequence.
    package let positions: [Int]
    /// Cache row that each row is written to: its position, except in a tree.
    package let slots: [Int]
    /// Segment of each row.
    package let segmentOfRow: [Int]
    /// cos and sin for `positions`.
    package let angles: RotaryAngles
    /// What each row of a tree sees, nil for a row that sees all before it; empty when no row is in a tree.
    let branches: [RowBranch?]
    /// Keys that were chosen beforehand, for every layer; nil lets the indexers choose.
    package var selection: KeySelection?
    /// Which group of devices has which of the rows of all groups; nil when there is one group.
    let shares: RowShares?

    /// Places `counts[i]` new rows behind the tokens that `caches[i]` already holds.
    /// - Parameters:
    ///   - trees: for each sequence the tree that its new rows end, or nil; empty for no trees at all.
    ///   - groups: groups of devices that serve sequences of their own.
    package init(
        counts: [Int], caches: [SequenceCache], rotary: RotaryEmbedding, trees: [TokenBranches?] = [],
        groups: Int = 1
    ) {
        precondition(counts.count == caches.count, "\(counts.count) steps for \(caches.count) caches")
        var rows = Rows()
        for (index, count) in counts.enumerated() where caches[index].isKept {
            let length = caches[index].length
            guard let tree = trees.isEmpty ? nil : trees[index] else {
                for offset in 0..<count { rows.append(index, position: length + offset) }
                continue
            }
            precondition(
                length + count == tree.base + tree.parents.count,
                "a tree of \(tree.parents.count) rows behind \(tree.base), \(length) + \(count) in the cache")
            for slot in length..<(length + count) { rows.append(index, slot: slot, tree: tree) }
        }
        let shares =
            groups == 1
            ? nil : RowShares(counts: counts, groups: caches.map(\.group), groupCount: groups)
        self.init(rows, sequences: counts.count, rotary: rotary, shares: shares)
    }

    /// Some rows of a batch, ascending.
    /// - Parameter shares: what all groups choose of the batch; nil when there is one group.
    init(_ batch: RaggedBatch, rows: [Int], rotary: RotaryEmbedding, shares: RowShares?) {
        var chosen = Rows()
        for row in rows {
            chosen.append(
                batch.segmentOfRow[row], position: batch.positions[row], slot: batch.slots[row],
                branch: batch.branches.isEmpty ? nil : batch.branches[row])
        }
        self.init(chosen, sequences: batch.segments.count, rotary: rotary, shares: shares)
    }

    private init(_ rows: Rows, sequences: Int, rotary: RotaryEmbedding, shares: RowShares?) {
        var (first, segments): (Int, [Segment]) = (0, [])
        for sequence in 0..<sequences {
            var end = first
            while end < rows.owners.count, rows.owners[end] == sequence { end += 1 }
            segments.append(Segment(cache: sequence, rows: first..<end))
            first = end
        }
        self.segments = segments
        self.shares = shares
        positions = rows.positions
        slots = rows.slots
        segmentOfRow = rows.owners
        branches = rows.branches.contains { $0 != nil } ? rows.branches : []
        angles = rotary.angles(at: rows.positions)
    }

    package var rowCount: Int { positions.count }
    /// How many keys each row may see at most: its own and all before it, or on its path.
    package var visibleKeys: [Int] { positions.map { $0 + 1 } }

    /// Rows while they are collected.
    private struct Rows {
        var owners: [Int] = []
        var positions: [Int] = []
        var slots: [Int] = []
        var branches: [RowBranch?] = []

        mutating func append(_ owner: Int, position: Int, slot: Int? = nil, branch: RowBranch? = nil) {
            owners.append(owner)
            positions.append(position)
            slots.append(slot ?? position)
            branches.append(branch)
        }

        /// A row of a tree; where its path lies in one piece behind the prefix, it is a row like any other.
        mutating func append(_ owner: Int, slot: Int, tree: TokenBranches) {
            let path = tree.path(to: slot - tree.base)
            let position = tree.base + path.count - 1
            let branch = RowBranch(base: tree.base, path: path.map { Int32(tree.base + $0) })
            append(owner, position: position, slot: slot, branch: position == slot ? nil : branch)
        }
    }
}
