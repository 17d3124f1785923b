import GLMTensor
import Testing

/// The known-answer vectors that Random123 publishes for `philox4x32 10` (file kat_vectors).
@Test func philoxMeetsThePublishedVectors() {
    let vectors: [(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, output: SIMD4<UInt32>)] = [
        (
            SIMD4(0, 0, 0, 0), SIMD2(0, 0),
            SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
        ),
        (
            SIMD4(repeating: .max), SIMD2(repeating: .max),
            SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
        ),
        (
            SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2(0xa409_3822, 0x299f_31d0),
            SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
        ),
    ]
    for vector in vectors {
        #expect(CounterRandom.philox(counter: vector.counter, key: vector.key) == vector.output)
    }
}

@Test func drawsDependOnSeedStreamPositionAndLaneAlone() {
    let random = CounterRandom(seed: 7, stream: 1)
    #expect(random.bits(at: 5) == CounterRandom(seed: 7, stream: 1).bits(at: 5))
    #expect(random.bits(at: 5) != CounterRandom(seed: 8, stream: 1).bits(at: 5))
    #expect(random.bits(at: 5) != CounterRandom(seed: 7, stream: 2).bits(at: 5))
    #expect(random.bits(at: 5) != random.bits(at: 6))
    #expect(random.bits(at: 5) != random.bits(at: 5, lane: 1))
    // Both halves of seed and position count.
    #expect(random.bits(at: 5) != CounterRandom(seed: 7 | 1 << 40, stream: 1).bits(at: 5))
    #expect(random.bits(at: 5) != random.bits(at: 5 | 1 << 40))
}

@Test func uniformNumbersFillTheUnitInterval() {
    let random = CounterRandom(seed: 3, stream: 0)
    let draws = (0..<4000).map { random.uniform(at: UInt64($0)) }
    #expect(draws.allSatisfy { (0..<1).contains($0) })
    #expect(abs(draws.reduce(0, +) / 4000 - 0.5) < 0.02)  // four standard errors
}
