// Finds two equal keys in one object of a tape, in linear time whatever the keys are.

/// Scratch memory and the hash seed of one text's duplicate check.
///
/// Keys are hashed as wyhash does it (folded 64 × 64 bit products) under a random seed, so that nobody can write a
/// file whose keys collide; equal hashes are then compared by bytes.
struct DuplicateKeyCheck {
    private static let pairwiseLimit = 8

    private let seed: UInt64
    private let secret: UInt64
    private var keys: [Int] = []
    private var hashes: [UInt64] = []
    /// Open addressing; 0 is free, else the hash's upper half over the key's ordinal plus one.
    private var slots: [UInt64] = []

    init() {
        var generator = SystemRandomNumberGenerator()
        seed = generator.next()
        secret = generator.next() | 1
    }

    /// - Parameter object: index of the closed object on the tape.
    mutating func check(
        object: Int, tape: [JSONToken], base: UnsafePointer<UInt8>
    ) throws(JSONFailure) {
        collect(object: object, tape: tape, base: base)
        let repeated =
            keys.count <= Self.pairwiseLimit
            ? repeatedPairwise(tape, base) : repeatedInTable(tape, base)
        if let repeated {
            let token = tape[keys[repeated]]
            throw JSONFailure(offset: token.start, reason: .duplicateKey(length: token.end - token.start))
        }
    }

    private mutating func collect(object: Int, tape: [JSONToken], base: UnsafePointer<UInt8>) {
        keys.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
        var index = object + 1
        let end = tape[object].end
        while index < end {
            let key = tape[index]
            keys.append(index)
            let slice = UnsafeBufferPointer(start: base + key.start, count: key.end - key.start)
            if key.kind == .escapedString {
                hashes.append(JSONText.unescape(slice).withUnsafeBufferPointer { hash($0) })
            } else {
                hashes.append(hash(slice))
            }
            index = tape[index + 1].next(after: index + 1)
        }
    }

    private func repeatedPairwise(_ tape: [JSONToken], _ base: UnsafePointer<UInt8>) -> Int? {
        for later in 0..<hashes.count {
            for earlier in 0..<later where hashes[earlier] == hashes[later] {
                if same(earlier, later, tape, base) { return later }
            }
        }
        return nil
    }

    private mutating func repeatedInTable(_ tape: [JSONToken], _ base: UnsafePointer<UInt8>) -> Int? {
        let size = 1 << (Int.bitWidth - (2 * hashes.count - 1).leadingZeroBitCount)
        slots.removeAll(keepingCapacity: true)
        slots.append(contentsOf: repeatElement(0, count: size))
        for ordinal in 0..<hashes.count {
            let hash = hashes[ordinal]
            let entry = hash & 0xffff_ffff_0000_0000 | UInt64(ordinal + 1)
            var slot = Int(truncatingIfNeeded: hash) & (size - 1)
            while slots[slot] != 0 {
                let other = Int(slots[slot] & 0xffff_ffff) - 1
                if (slots[slot] ^ entry) >> 32 == 0, hashes[other] == hash, same(other, ordinal, tape, base) {
                    return ordinal
                }
                slot = (slot + 1) & (size - 1)
            }
            slots[slot] = entry
        }
        return nil
    }

    private func same(_ left: Int, _ right: Int, _ tape: [JSONToken], _ base: UnsafePointer<UInt8>) -> Bool {
        func text(_ ordinal: Int) -> [UInt8] {
            let key = tape[keys[ordinal]]
            return JSONText.unescape(UnsafeBufferPointer(start: base + key.start, count: key.end - key.start))
        }
        return text(left) == text(right)
    }

    private func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(bytes)
        var state = seed ^ UInt64(truncatingIfNeeded: raw.count)
        var index = 0
        while index + 16 <= raw.count {
            state = fold(word(raw, index) ^ secret, word(raw, index + 8) ^ state)
            index += 16
        }
        var low: UInt64 = 0
        var high: UInt64 = 0
        if raw.count >= 16 {
            low = word(raw, raw.count - 16)
            high = word(raw, raw.count - 8)
        } else if raw.count >= 8 {
            low = word(raw, 0)
            high = word(raw, raw.count - 8)
        } else {
            for byte in raw { low = low << 8 | UInt64(byte) }
        }
        return fold(fold(low ^ secret, high ^ state), secret ^ seed)
    }

    @inline(__always)
    private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
