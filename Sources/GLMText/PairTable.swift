// A hash table from pairs of small integers to an integer. Knows nothing of what they mean.

/// Open addressing over 64-bit keys; built once, then only read.
///
/// Merges and the edges of the added-token trie are looked up here several times per byte of text, which is
/// what a general dictionary is too slow for.
struct PairTable: Sendable {
    /// Key of a free slot. No pair of non-negative `Int32` packs to it.
    private static let free = UInt64.max

    private var keys: [UInt64]
    private var values: [Int32]
    private var mask: Int
    private(set) var count = 0

    /// Room for `capacity` pairs without growing; at most three quarters of the slots are ever taken.
    init(capacity: Int = 0) {
        let slots = PairTable.slots(for: capacity)
        keys = Array(repeating: PairTable.free, count: slots)
        values = Array(repeating: 0, count: slots)
        mask = slots - 1
    }

    /// The value of the pair, nil when there is none. Setting replaces; a value cannot be removed.
    ///
    /// - Precondition: both halves are 0 or more.
    subscript(first: Int32, second: Int32) -> Int32? {
        let key = PairTable.key(first, second)
        var slot = self.slot(of: key)
        while keys[slot] != PairTable.free {
            if keys[slot] == key {
                return values[slot]
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Sets the value of the pair; a later value replaces an earlier one.
    mutating func set(_ first: Int32, _ second: Int32, _ value: Int32) {
        precondition(first >= 0 && second >= 0, "a pair of (\(first), \(second)) has a negative half")
        if (count + 1) * 4 > keys.count * 3 {
            grow()
        }
        let key = PairTable.key(first, second)
        var slot = self.slot(of: key)
        while keys[slot] != PairTable.free, keys[slot] != key {
            slot = (slot + 1) & mask
        }
        if keys[slot] == PairTable.free {
            count += 1
        }
        keys[slot] = key
        values[slot] = value
    }

    private mutating func grow() {
        var larger = PairTable(capacity: count * 2)
        for (slot, key) in keys.enumerated() where key != PairTable.free {
            let (first, second) = (Int32(truncatingIfNeeded: key >> 32), Int32(truncatingIfNeeded: key))
            larger.set(first, second, values[slot])
        }
        self = larger
    }

    private static func slots(for capacity: Int) -> Int {
        var slots = 16
        while slots * 3 < capacity * 4 {
            slots *= 2
        }
        return slots
    }

    private static func key(_ first: Int32, _ second: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: first)) << 32 | UInt64(UInt32(bitPattern: second))
    }

    /// Fibonacci hashing on a key whose halves are mixed first.
    private func slot(of key: UInt64) -> Int {
        let mixed = (key ^ key >> 29) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: (mixed ^ mixed >> 32) & UInt64(mask))
    }
}
