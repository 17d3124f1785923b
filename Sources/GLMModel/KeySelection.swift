/// The keys each query row attends to: a set of positions a row, ascending.
///
/// A row that sees no more keys than the selection may hold is *dense* and stores nothing. Attention returns
/// the selection it used, so that a layer with a shared index receives it as an argument.
public struct KeySelection: Sendable, Equatable {
    /// The keys of one row.
    public enum Row: Sendable, Equatable {
        /// Positions 0 ..< count.
        case all(Int)
        /// These positions, ascending.
        case positions([Int32])
    }

    /// Who decides which of the keys a row sees it attends to, when there are more than it may.
    public enum Policy: String, Sendable, CaseIterable {
        /// The layer's lightning indexer, as the model was trained.
        case indexer
        /// The last keys, as many as the indexer would take: shows what the indexer is worth.
        case recent
    }

    /// Keys each row could see (its own included).
    public let visible: [Int]
    /// Where row r's positions begin in `storage`; a dense row has an empty range.
    private let bounds: [Int]
    private var storage: [Int32]

    /// Every row attends to everything it sees.
    public init(denseOver visible: [Int]) {
        self.visible = visible
        bounds = [Int](repeating: 0, count: visible.count + 1)
        storage = []
    }

    /// Room for `topK` positions in every row that sees more than `topK` keys; the other rows are dense, or in
    /// a tree hold what they see.
    ///
    /// - Parameter branches: what rows of a tree see, nil for others; empty for no trees at all.
    package init(visible: [Int], topK: Int, branches: [RowBranch?] = []) {
        self.visible = visible
        var bounds = [0]
        for (row, count) in visible.enumerated() {
            let isBranch = !branches.isEmpty && branches[row] != nil
            bounds.append((bounds.last ?? 0) + (count > topK ? topK : isBranch ? count : 0))
        }
        self.bounds = bounds
        storage = [Int32](repeating: 0, count: bounds.last ?? 0)
        for (row, branch) in branches.enumerated() where visible[row] <= topK {
            guard let branch else { continue }
            for place in 0..<branch.base { storage[bounds[row] + place] = Int32(place) }
            for (place, key) in branch.path.enumerated() { storage[bounds[row] + branch.base + place] = key }
        }
    }

    /// These keys for every row.
    package init(_ rows: [Row], visible: [Int]) {
        precondition(rows.count == visible.count, "\(rows.count) selections of \(visible.count) rows")
        self.visible = visible
        (bounds, storage) = rows.reduce(into: ([0], [])) { result, row in
            if case .positions(let keys) = row { result.1 += keys }
            result.0.append(result.1.count)
        }
    }

    /// The last `topK` keys that every row sees, or all of fewer.
    public init(recent topK: Int, visible: [Int]) {
        self.init(visible: visible, topK: topK)
        for row in visible.indices where !isDense(row) {
            for place in 0..<topK { storage[bounds[row] + place] = Int32(visible[row] - topK + place) }
        }
    }

    /// Rows selected for.
    public var rowCount: Int { visible.count }
    /// Whether row `row` attends to everything it sees.
    public func isDense(_ row: Int) -> Bool { bounds[row] == bounds[row + 1] }
    /// Keys row `row` attends to.
    public func count(_ row: Int) -> Int { isDense(row) ? visible[row] : bounds[row + 1] - bounds[row] }

    /// Cache rows that these selections take from memory, sequence by sequence: the keys of a sequence's only
    /// row, or all that the last of its rows can see.
    package func cacheRows(_ sequenceOfRow: [Int]) -> Int {
        var (total, row) = (0, 0)
        while row < rowCount {
            let first = row
            while row < rowCount, sequenceOfRow[row] == sequenceOfRow[first] { row += 1 }
            total += row - first == 1 ? count(first) : visible[first..<row].max() ?? 0
        }
        return total
    }

    /// The keys of one row.
    public subscript(row: Int) -> Row {
        isDense(row) ? .all(visible[row]) : .positions(Array(storage[bounds[row]..<bounds[row + 1]]))
    }

    /// Lets `body` write the positions of rows, each at its own place: `body(storage, bounds)`.
    package mutating func fill(_ body: (UnsafeMutablePointer<Int32>, [Int]) -> Void) {
        let bounds = bounds
        unsafe storage.withUnsafeMutableBufferPointer { storage in
            guard let base = storage.baseAddress else { return }
            unsafe body(base, bounds)
        }
    }

    /// Lets `body` read the positions of rows: a pointer to all of them and the bounds of each row's.
    package func withPositions(_ body: (UnsafePointer<Int32>?, [Int]) -> Void) {
        unsafe storage.withUnsafeBufferPointer { unsafe body($0.baseAddress, bounds) }
    }
}
