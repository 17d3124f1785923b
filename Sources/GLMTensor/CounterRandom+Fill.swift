// Many draws at once. The same words as `block(at:lane:)`, written without a vector value in between.

extension CounterRandom {
    /// Writes the words of `block(at: first, lane: lane)`, `block(at: first + 1, lane: lane)`, … one after
    /// another.
    ///
    /// - Precondition: `output.count` is a multiple of 4.
    package func fill(_ output: inout MutableSpan<UInt32>, from first: UInt64, lane: UInt32 = 0) {
        precondition(
            output.count % 4 == 0, "CounterRandom.fill: \(output.count) words are not a multiple of 4")
        unsafe output.withUnsafeMutableBufferPointer { words in
            guard let base = words.baseAddress else { return }
            var block = 0
            while block < words.count / 4 {
                let (w0, w1, w2, w3) = self.words(at: first &+ UInt64(block), lane: lane)
                let at = unsafe base + block * 4
                unsafe at[0] = w0
                unsafe at[1] = w1
                unsafe at[2] = w2
                unsafe at[3] = w3
                block &+= 1
            }
        }
    }

    /// Ten rounds on four scalars: what the optimiser keeps in registers. Its twin is `philox(counter:key:)`.
    @inline(__always)
    private func words(at position: UInt64, lane: UInt32) -> (UInt32, UInt32, UInt32, UInt32) {
        var c0 = UInt32(truncatingIfNeeded: position)
        var c1 = UInt32(truncatingIfNeeded: position >> 32)
        var c2 = stream
        var c3 = lane
        var k0 = UInt32(truncatingIfNeeded: seed)
        var k1 = UInt32(truncatingIfNeeded: seed >> 32)
        var round = 0
        while round < 10 {
            let a = UInt64(0xD251_1F53) &* UInt64(c0)
            let b = UInt64(0xCD9E_8D57) &* UInt64(c2)
            c0 = UInt32(truncatingIfNeeded: b >> 32) ^ c1 ^ k0
            c1 = UInt32(truncatingIfNeeded: b)
            c2 = UInt32(truncatingIfNeeded: a >> 32) ^ c3 ^ k1
            c3 = UInt32(truncatingIfNeeded: a)
            k0 = k0 &+ 0x9E37_79B9
            k1 = k1 &+ 0xBB67_AE85
            round &+= 1
        }
        return (c0, c1, c2, c3)
    }

    /// A 64-bit number for a text, whose halves serve as stream and lane: FNV-1a, then a mixing step so that
    /// similar names share no structure.
    ///
    /// Source: FNV-1a (64 bit); SplitMix64's finaliser.
    package static func key(named text: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
        return hash ^ (hash >> 31)
    }
}
