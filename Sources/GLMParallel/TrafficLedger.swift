import Synchronization

/// What one device exchanged with the others: calls, bytes and time by collective, operation and layer.
///
/// Bytes are the logical payload, elements × 4, whatever a transport does with it: of the summed tensor for an
/// all-reduce, of the whole tensor for an all-gather and a reduce-scatter.
package final class TrafficLedger: Sendable {
    package struct Key: Hashable, Sendable {
        package let collective: Collective
        package let site: CollectiveSite

        package init(_ collective: Collective, _ site: CollectiveSite) {
            self.collective = collective
            self.site = site
        }
    }

    package struct Entry: Sendable, Equatable {
        package let key: Key
        package var calls = 0
        package var bytes = 0
        /// From the call to its return, waiting included.
        package var nanoseconds = 0
    }

    private struct State {
        var entries: [Entry] = []
        var places: [Key: Int] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Enters one call of `elements` values.
    package func add(_ key: Key, elements: Int, time: Duration) {
        let (seconds, attoseconds) = time.components
        let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
        add(Entry(key: key, calls: 1, bytes: 4 * elements, nanoseconds: nanoseconds))
    }

    private func add(_ entry: Entry) {
        state.withLock { state in
            let place = state.places[entry.key] ?? state.entries.count
            if place == state.entries.count {
                state.places[entry.key] = place
                state.entries.append(Entry(key: entry.key))
            }
            state.entries[place].calls += entry.calls
            state.entries[place].bytes += entry.bytes
            state.entries[place].nanoseconds += entry.nanoseconds
        }
    }

    /// Everything entered so far, in the order of first appearance.
    package var entries: [Entry] { state.withLock { $0.entries } }
}

extension TrafficLedger.Entry {
    /// Words of an encoded entry.
    static let width = 9

    /// The entry as words that travel between devices.
    package var words: [UInt32] {
        let collective = Collective.allCases.firstIndex(of: key.collective) ?? 0
        let operation = CollectiveSite.Operation.allCases.firstIndex(of: key.site.operation) ?? 0
        return [UInt32(collective), UInt32(operation), UInt32((key.site.layer ?? -1) + 1)]
            + [calls, bytes, nanoseconds].flatMap {
                [UInt32(truncatingIfNeeded: $0), UInt32(truncatingIfNeeded: $0 >> 32)]
            }
    }

    /// - Precondition: `words` are those of an entry.
    package init(words: ArraySlice<UInt32>) {
        let word = Array(words)
        precondition(word.count == Self.width, "\(word.count) words of an entry of the ledger")
        func long(_ place: Int) -> Int { Int(word[place]) | Int(word[place + 1]) << 32 }
        let layer = word[2] == 0 ? nil : Int(word[2]) - 1
        key = TrafficLedger.Key(
            Collective.allCases[Int(word[0])],
            CollectiveSite(CollectiveSite.Operation.allCases[Int(word[1])], layer: layer))
        (calls, bytes, nanoseconds) = (long(3), long(5), long(7))
    }

    /// The entries that `words` hold.
    package static func entries(_ words: [UInt32]) -> [TrafficLedger.Entry] {
        stride(from: 0, to: words.count, by: width).map { TrafficLedger.Entry(words: words[$0..<$0 + width]) }
    }
}
