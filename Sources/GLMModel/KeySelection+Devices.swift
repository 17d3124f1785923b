import GLMParallel
import GLMTensor

// Groups of devices that serve sequences of their own tell one another what their rows attended to.
extension Device {
    /// The keys of all groups' rows, of which this device knows those of its own group's; without shares that is all.
    ///
    /// A row is sent as words: keys it could see, positions chosen (none for a dense row), and as many positions as a row
    /// may have.
    func gather(_ keys: KeySelection, of shares: RowShares?, topK: Int) -> KeySelection {
        guard let shares else { return keys }
        let width = topK + 2
        let own = (0..<keys.rowCount).flatMap { row -> [Float] in
            var positions: [Int32] = []
            if case .positions(let chosen) = keys[row] { positions = chosen }
            precondition(positions.count <= topK, "\(positions.count) keys of at most \(topK)")
            let words = [Int32(keys.visible[row]), Int32(positions.count)] + positions
            let padding = [Int32](repeating: 0, count: width - words.count)
            return (words + padding).map { Float(bitPattern: UInt32(bitPattern: $0)) }
        }
        let all = gather(
            rows: Tensor(shape: [keys.rowCount, width], values: own), of: shares, at: CollectiveSite(.keys))
        var visible: [Int] = []
        let rows = (0..<all.rowCount).map { row -> KeySelection.Row in
            let words = all.row(row).map { Int32(bitPattern: $0.bitPattern) }
            visible.append(Int(words[0]))
            return words[1] == 0 ? .all(Int(words[0])) : .positions(Array(words[2..<2 + Int(words[1])]))
        }
        return KeySelection(rows, visible: visible)
    }
}
