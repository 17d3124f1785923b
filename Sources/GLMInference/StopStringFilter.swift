/// Ends a text at the first stop string, and holds back only what could still become one.
///
/// A text may arrive in any pieces; the result is the same. The stop string that is complete first wins, and among those
/// that the same byte completes, the longest. It is cut off. Comparison is by bytes, not by canonical equivalence.
package struct StopStringFilter: Sendable {
    private let stops: [[UInt8]]
    private let names: [String]
    /// The end of the text so far that is a proper prefix of a stop string.
    private var held: [UInt8] = []
    /// The stop string that was found. All text after it is dropped.
    package private(set) var match: String?

    /// - Precondition: no stop string is empty.
    package init(_ stops: [String]) {
        precondition(stops.allSatisfy { !$0.isEmpty }, "an empty stop string")
        names = stops
        self.stops = stops.map { Array($0.utf8) }
    }

    /// The text that is certain now. It ends at a border of UTF-8 sequences, as `piece` does.
    package mutating func append(_ piece: String) -> String {
        guard match == nil else { return "" }
        guard !stops.isEmpty else { return piece }
        held += piece.utf8
        if let found = firstMatch() {
            match = names[found.stop]
            let text = held.prefix(found.start)
            held = []
            return String(decoding: text, as: UTF8.self)
        }
        let certain = held.count - longestOpenTail()
        let text = String(decoding: held.prefix(certain), as: UTF8.self)
        held.removeFirst(certain)
        return text
    }

    /// What was held back, when no text follows.
    package mutating func finish() -> String {
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// Where the stop string that ends first begins.
    private func firstMatch() -> (stop: Int, start: Int)? {
        var best: (stop: Int, start: Int)?
        var bestEnd = Int.max
        for (index, stop) in stops.enumerated() {
            guard let start = firstOccurrence(of: stop, endingBy: bestEnd) else { continue }
            let end = start + stop.count
            if end < bestEnd || stop.count > stops[best?.stop ?? index].count {
                best = (index, start)
                bestEnd = end
            }
        }
        return best
    }

    private func firstOccurrence(of stop: [UInt8], endingBy limit: Int) -> Int? {
        let last = min(limit, held.count) - stop.count
        guard last >= 0 else { return nil }
        return (0...last).first { start in
            held[start] == stop[0] && held[start..<(start + stop.count)].elementsEqual(stop)
        }
    }

    /// Length of the longest tail that is a proper prefix of a stop string.
    private func longestOpenTail() -> Int {
        let longest = min(held.count, (stops.map(\.count).max() ?? 1) - 1)
        for length in stride(from: longest, to: 0, by: -1) {
            let tail = held.suffix(length)
            if stops.contains(where: { $0.count > length && $0.starts(with: tail) }) { return length }
        }
        return 0
    }
}
