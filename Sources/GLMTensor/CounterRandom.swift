/// Counter-based random numbers: a pure function of (seed, stream, position), so that neighbours, threads and
/// chunking cannot change what a place draws.
///
/// The generator is Philox4x32 with ten rounds, in exact integer arithmetic: the same numbers on every
/// machine. It has no state; whoever needs a sequence asks for position 0, 1, 2, ….
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3.
package struct CounterRandom: Sendable, Equatable {
    /// The 64-bit seed; it is the cipher's key.
    package let seed: UInt64
    /// Keeps purposes apart: two streams of one seed share no number.
    package let stream: UInt32

    /// A generator for one purpose (`stream`) under one seed.
    package init(seed: UInt64, stream: UInt32) {
        self.seed = seed
        self.stream = stream
    }

    /// 128 random bits that belong to `position`; `lane` tells several draws at one position apart.
    package func block(at position: UInt64, lane: UInt32 = 0) -> SIMD4<UInt32> {
        CounterRandom.philox(
            counter: SIMD4(
                UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), stream, lane
            ), key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    }

    /// 64 random bits.
    package func bits(at position: UInt64, lane: UInt32 = 0) -> UInt64 {
        let word = block(at: position, lane: lane)
        return UInt64(word[1]) << 32 | UInt64(word[0])
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³; every such multiple is equally likely.
    package func uniform(at position: UInt64, lane: UInt32 = 0) -> Double {
        Double(bits(at: position, lane: lane) >> 11) * 0x1p-53
    }

    /// The bijection itself: ten rounds of multiply, exchange and add of the key, which grows by a Weyl
    /// constant each round.
    package static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (x, k) = (counter, key)
        for _ in 0..<10 {
            let a = UInt64(x[0]) * 0xD251_1F53
            let b = UInt64(x[2]) * 0xCD9E_8D57
            x = SIMD4(
                UInt32(truncatingIfNeeded: b >> 32) ^ x[1] ^ k[0], UInt32(truncatingIfNeeded: b),
                UInt32(truncatingIfNeeded: a >> 32) ^ x[3] ^ k[1], UInt32(truncatingIfNeeded: a))
            k = SIMD2(k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85)
        }
        return x
    }
}
