import GLMTensor
import Testing

@Suite struct CounterRandomFillTests {
    @Test func bulkEqualsOneByOne() {
        let random = CounterRandom(seed: 0x1234_5678_9ABC_DEF0, stream: 77)
        let first: UInt64 = 0xFFFF_FFFD  // the low word of the counter overflows on the way
        func bulk(lane: UInt32) -> [UInt32] {
            var words = [UInt32](repeating: 0, count: 36)
            var span = words.mutableSpan
            random.fill(&span, from: first, lane: lane)
            return words
        }
        let single = (0..<9).flatMap { offset -> [UInt32] in
            let block = random.block(at: first + UInt64(offset), lane: 9)
            return (0..<4).map { block[$0] }
        }
        #expect(bulk(lane: 9) == single)
        #expect(bulk(lane: 8) != single)
    }

    @Test func purposesAreKeptApart() {
        let names = ["", "a", "b", "ab", "ba", "model.layers.0", "model.layers.1"]
        #expect(Set(names.map { CounterRandom.key(named: $0.utf8) }).count == names.count)
        #expect(
            Set(names.map { UInt32(truncatingIfNeeded: CounterRandom.key(named: $0.utf8)) }).count
                == names.count)
    }
}
