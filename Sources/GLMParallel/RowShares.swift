/// Which rows of a forward pass belong to which group of a data-parallel attention.
///
/// Every device knows it of every group: it follows from the steps of a pass, so that no sizes travel.
package struct RowShares: Sendable, Equatable {
    /// The rows of each group, in pieces, ascending.
    package let pieces: [[Range<Int>]]
    /// Rows of all groups.
    package let rowCount: Int

    /// - Parameters:
    ///   - counts: rows of each sequence; sequences lie one behind the other.
    ///   - groups: the group that serves each sequence.
    ///   - groupCount: groups there are, those without a sequence included.
    package init(counts: [Int], groups: [Int], groupCount: Int) {
        precondition(counts.count == groups.count, "\(counts.count) sequences, \(groups.count) groups")
        var pieces = [[Range<Int>]](repeating: [], count: groupCount)
        var first = 0
        for (count, group) in zip(counts, groups) where count > 0 {
            pieces[group].append(first..<first + count)
            first += count
        }
        self.pieces = pieces
        rowCount = first
    }

    /// Rows of one group.
    package func count(of group: Int) -> Int { pieces[group].reduce(0) { $0 + $1.count } }

    /// The elements of a group's rows, of `width` each.
    func elements(of group: Int, width: Int) -> [Range<Int>] {
        pieces[group].map { $0.lowerBound * width..<$0.upperBound * width }
    }
}
