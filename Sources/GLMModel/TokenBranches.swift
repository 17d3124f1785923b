/// How the new rows of a sequence branch: a tree of tokens behind a prefix that all of them see.
///
/// The tree may have begun in earlier forward passes. A row sees the prefix, its ancestors and itself; its
/// position is that of the prefix's end plus its depth, while its place in the cache is the order of creation.
/// Source: specification §8.4.
package struct TokenBranches: Sendable, Equatable {
    /// Cache rows that every row of the tree sees; the tree's own rows are stored behind them.
    package let base: Int
    /// The parent of every row of the tree, counted from `base`; nil for a row that follows the prefix.
    package private(set) var parents: [Int?] = []
    /// How many ancestors every row of the tree has.
    package private(set) var depths: [Int] = []

    /// A tree without rows.
    package init(base: Int) { self.base = base }

    /// Adds a row behind `parent`.
    /// - Precondition: the parent is a row that was added before.
    package mutating func append(parent: Int?) {
        precondition(parent.map { parents.indices.contains($0) } ?? true, "a row behind row \(parent ?? 0)")
        parents.append(parent)
        depths.append(parent.map { depths[$0] + 1 } ?? 0)
    }

    /// The rows from the prefix to `row`, itself included, ascending, counted from `base`.
    package func path(to row: Int) -> [Int] {
        var path: [Int] = []
        var next: Int? = row
        while let current = next {
            path.append(current)
            next = parents[current]
        }
        return path.reversed()
    }
}

/// What a row of a tree sees: the first rows of its cache, and the rows of its own path.
package struct RowBranch: Sendable, Equatable {
    /// Cache rows 0 ..< base.
    let base: Int
    /// Cache rows of the ancestors and of the row itself, ascending.
    let path: [Int32]

    /// Cache rows that may have to be scored to find the row's keys: all up to its own.
    var extent: Int { path.last.map { Int($0) + 1 } ?? base }
}
