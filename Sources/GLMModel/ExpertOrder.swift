/// (token, expert) pairs of a device's experts, sorted by expert, tokens in their order inside an expert.
package struct ExpertOrder {
    /// Token of each sorted row.
    let tokens: [Int]
    /// Sorted row of each pair in the routing's order; nil for an expert of another device.
    let rowOfPair: [Int?]
    /// Experts that have work, with their sorted rows.
    let runs: [(expert: Int, rows: Range<Int>)]

    package init(_ routing: Routing, experts: Int, owned: Range<Int>) {
        var first = [Int](repeating: 0, count: experts + 1)
        for expert in routing.experts where owned.contains(Int(expert)) { first[Int(expert) + 1] += 1 }
        for expert in 0..<experts { first[expert + 1] += first[expert] }
        runs = (0..<experts).filter { first[$0] < first[$0 + 1] }.map { ($0, first[$0]..<first[$0 + 1]) }
        var next = first
        var tokens = [Int](repeating: 0, count: first[experts])
        var rows = [Int?](repeating: nil, count: routing.experts.count)
        for (pair, expert) in routing.experts.enumerated() where owned.contains(Int(expert)) {
            let row = next[Int(expert)]
            next[Int(expert)] += 1
            tokens[row] = pair / routing.perToken
            rows[pair] = row
        }
        self.tokens = tokens
        rowOfPair = rows
    }

    /// Experts that follow one another, and the sorted rows of all of them.
    package struct Part {
        package let runs: ArraySlice<(expert: Int, rows: Range<Int>)>
        package let rows: Range<Int>
    }

    /// All experts that have work in parts of at most `limit` rows, or of one expert; one part without any where none has.
    package func parts(ofRows limit: Int) -> [Part] {
        var parts: [Part] = []
        var first = 0
        while first < runs.count {
            let start = runs[first].rows.lowerBound
            var end = first + 1
            while end < runs.count, runs[end].rows.upperBound - start <= limit { end += 1 }
            parts.append(Part(runs: runs[first..<end], rows: start..<runs[end - 1].rows.upperBound))
            first = end
        }
        return parts.isEmpty ? [Part(runs: [], rows: 0..<0)] : parts
    }
}
