/// The rows of one forward pass: tokens of several sequences, one behind the other.
///
/// Rows of different sequences never see each other; a row sees its own sequence's cached keys up to itself.
package struct RaggedBatch: Sendable {
    /// The rows of one sequence.
    package struct Segment: Sendable {
        /// Which of the caches handed to the forward pass.
        package let cache: Int
        /// Rows of the batch.
        package let rows: Range<Int>
        /// Position of the first of them.
        package let start: Int
    }

    package let segments: [Segment]
    /// Position of each row in its sequence.
    package let positions: [Int]
    /// Segment of each row.
    package let segmentOfRow: [Int]
    /// cos and sin for `positions`.
    package let angles: RotaryAngles

    /// Places `counts[i]` new rows behind the tokens that `caches[i]` already holds.
    package init(counts: [Int], caches: [SequenceCache], rotary: RotaryEmbedding) {
        precondition(counts.count == caches.count, "\(counts.count) steps for \(caches.count) caches")
        var segments: [Segment] = []
        var positions: [Int] = []
        var owners: [Int] = []
        for (index, count) in counts.enumerated() {
            let first = positions.count
            segments.append(Segment(cache: index, rows: first..<(first + count), start: caches[index].length))
            for offset in 0..<count {
                positions.append(caches[index].length + offset)
                owners.append(index)
            }
        }
        self.segments = segments
        self.positions = positions
        segmentOfRow = owners
        angles = rotary.angles(at: positions)
    }

    package var rowCount: Int { positions.count }
    /// How many keys each row may see at most: its own and all before it.
    package var visibleKeys: [Int] { positions.map { $0 + 1 } }
}
