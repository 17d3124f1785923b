// The 64-bit xxHash. Knows bytes only.

/// A checksum that runs at memory speed: finds damage, not forgery.
///
/// Source: xxHash specification 0.1.1 (Yann Collet), XXH64 with seed 0; the same digits as `xxhsum -H1`.
package struct XXH64: Sendable {
    private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
        0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5
    )

    private var lanes: (UInt64, UInt64, UInt64, UInt64)
    /// Bytes of an unfinished stripe of 32.
    private var rest: [UInt8] = []
    private var length: UInt64 = 0

    package init() {
        let p = Self.primes
        lanes = (p.0 &+ p.1, p.1, 0, 0 &- p.0)
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: some Collection<UInt8>) -> UInt64 {
        var hash = XXH64()
        unsafe Array(bytes).withUnsafeBytes { unsafe hash.update($0) }
        return hash.digest
    }

    /// Takes the next bytes; how a text is cut makes no difference.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        length &+= UInt64(bytes.count)
        var next = 0
        if !rest.isEmpty {
            next = min(32 - rest.count, bytes.count)
            unsafe rest.append(contentsOf: bytes[..<next])
            guard rest.count == 32 else { return }
            unsafe rest.withUnsafeBytes { stripe in
                if let base = stripe.baseAddress { unsafe mix(base, stripes: 1) }
            }
            rest.removeAll(keepingCapacity: true)
        }
        let stripes = (bytes.count - next) / 32
        if stripes > 0, let base = bytes.baseAddress {
            unsafe mix(base + next, stripes: stripes)
        }
        unsafe rest.append(contentsOf: bytes[(next + 32 * stripes)...])
    }

    private mutating func mix(_ base: UnsafeRawPointer, stripes: Int) {
        var (a, b, c, d) = lanes
        for stripe in 0..<stripes {
            let at = stripe &* 32
            a = Self.round(a, unsafe Self.word(base, at))
            b = Self.round(b, unsafe Self.word(base, at &+ 8))
            c = Self.round(c, unsafe Self.word(base, at &+ 16))
            d = Self.round(d, unsafe Self.word(base, at &+ 24))
        }
        lanes = (a, b, c, d)
    }

    /// The checksum of everything so far.
    package var digest: UInt64 {
        let p = Self.primes
        var hash: UInt64
        if length >= 32 {
            let (a, b, c, d) = lanes
            hash = Self.rotate(a, 1) &+ Self.rotate(b, 7) &+ Self.rotate(c, 12) &+ Self.rotate(d, 18)
            for lane in [a, b, c, d] { hash = (hash ^ Self.round(0, lane)) &* p.0 &+ p.3 }
        } else {
            hash = p.4
        }
        hash = unsafe rest.withUnsafeBytes { unsafe Self.finish(hash &+ length, $0) }
        hash = (hash ^ (hash >> 33)) &* p.1
        hash = (hash ^ (hash >> 29)) &* p.2
        return hash ^ (hash >> 32)
    }

    /// Takes the last 0 to 31 bytes in words, a half word, and bytes.
    private static func finish(_ start: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let p = primes
        var hash = start
        guard let base = bytes.baseAddress else { return hash }
        var at = 0
        while at + 8 <= bytes.count {
            hash = rotate(hash ^ round(0, unsafe word(base, at)), 27) &* p.0 &+ p.3
            at += 8
        }
        if at + 4 <= bytes.count {
            let half = unsafe UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            hash = rotate(hash ^ UInt64(half) &* p.0, 23) &* p.1 &+ p.2
            at += 4
        }
        while at < bytes.count {
            hash = unsafe rotate(hash ^ UInt64(bytes[at]) &* p.4, 11) &* p.0
            at += 1
        }
        return hash
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotate(lane &+ word &* primes.1, 31) &* primes.0
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 &- count)
    }

    @inline(__always)
    private static func word(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// A checksum as 16 hexadecimal digits.
    package static func text(_ checksum: UInt64) -> String {
        let digits = String(checksum, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
