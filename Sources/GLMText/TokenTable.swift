// Tokens as byte strings and their ids. Knows nothing of JSON or of merges.

/// The bytes of every token, and the way back from bytes to id.
///
/// Two tokens may have equal bytes only when one of them is not entered for look-up.
struct TokenTable: Sendable {
    /// Bytes of all tokens, one after the other.
    private var pool: [UInt8] = []
    /// Where each id's bytes lie in `pool`; nil for an id that no token has.
    private var places: [Range<UInt32>?] = []
    /// Open addressing: the hash's high half (nearly always tells tokens apart without a look at their bytes)
    /// and id + 1; 0 for a free slot.
    private var slots: [UInt64] = Array(repeating: 0, count: 16)
    private var entered = 0
    /// Number of ids that a token has.
    private(set) var entries = 0
    /// Length of the longest token that is entered for look-up.
    private(set) var longest = 0

    /// One more than the largest id.
    var count: Int { places.count }

    /// The bytes of `id`, nil when no token has it.
    subscript(id: Int32) -> ArraySlice<UInt8>? {
        guard places.indices.contains(Int(id)), let place = places[Int(id)] else { return nil }
        return pool[Int(place.lowerBound)..<Int(place.upperBound)]
    }

    /// The id of the token with exactly the bytes `text[range]`.
    func id(of range: Range<Int>, in text: Span<UInt8>) -> Int32? {
        guard range.count <= longest else { return nil }
        let hash = TokenTable.hash(range, in: text)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32 {
                let id = Int(slots[slot] & 0xffff_ffff) - 1
                if let place = places[id], equals(place, range, in: text) {
                    return Int32(truncatingIfNeeded: id)
                }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// The id of the token with exactly these bytes.
    func id(of bytes: [UInt8]) -> Int32? {
        id(of: 0..<bytes.count, in: bytes.span)
    }

    mutating func reserve(tokens: Int, bytes: Int) {
        places.reserveCapacity(tokens)
        pool.reserveCapacity(bytes)
        resize(to: tokens)
    }

    /// Gives `bytes` to `id`; with `lookUp`, also the way back.
    ///
    /// - Returns: false when the id is taken or (with `lookUp`) another token has these bytes; nothing is
    ///   changed then.
    mutating func add(_ bytes: [UInt8], id: Int32, lookUp: Bool) -> Bool {
        let index = Int(id)
        if places.count <= index {
            places.append(contentsOf: repeatElement(nil, count: index + 1 - places.count))
        }
        guard places[index] == nil, !lookUp || self.id(of: bytes) == nil else { return false }
        let start = UInt32(truncatingIfNeeded: pool.count)
        pool += bytes
        places[index] = start..<UInt32(truncatingIfNeeded: pool.count)
        entries += 1
        if lookUp {
            if (entered + 1) * 2 > slots.count {
                resize(to: entered * 2)
            }
            enter(index)
            entered += 1
            longest = max(longest, bytes.count)
        }
        return true
    }

    private mutating func resize(to tokens: Int) {
        var size = 16
        while size < tokens * 2 + 2 {
            size *= 2
        }
        guard size > slots.count else { return }
        let taken = slots.filter { $0 != 0 }
        slots = Array(repeating: 0, count: size)
        for entry in taken {
            enter(Int(entry & 0xffff_ffff) - 1)
        }
    }

    private mutating func enter(_ index: Int) {
        guard let place = places[index] else { return }
        let hash = TokenTable.hash(Int(place.lowerBound)..<Int(place.upperBound), in: pool.span)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = hash & ~0xffff_ffff | UInt64(truncatingIfNeeded: index + 1)
    }

    private func equals(_ place: Range<UInt32>, _ range: Range<Int>, in text: Span<UInt8>) -> Bool {
        guard place.count == range.count else { return false }
        var mine = Int(place.lowerBound)
        for theirs in range {
            guard pool[mine] == text[theirs] else { return false }
            mine += 1
        }
        return true
    }

    /// FNV-1a, mixed at the end so that both halves depend on every byte.
    private static func hash(_ range: Range<Int>, in text: Span<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for offset in range {
            hash = (hash ^ UInt64(text[offset])) &* 0x0000_0100_0000_01b3
        }
        hash = (hash ^ hash >> 32) &* 0x9e37_79b9_7f4a_7c15
        return hash ^ hash >> 29
    }
}
