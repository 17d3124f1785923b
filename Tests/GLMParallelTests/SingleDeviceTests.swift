import GLMParallel
import Testing

/// A group of one gives back what it was given, and writes nothing beyond.
@Test(arguments: [1, 9, 256, 300])
func aGroupOfOneKeepsItsValues(count: Int) throws {
    let device = SingleDevice()
    var values = (0..<count + 300).map(Float.init)
    let expected = values
    try values.withUnsafeMutableBufferPointer {
        let part = UnsafeMutableBufferPointer(rebasing: $0.prefix(count))
        try device.broadcast(part, from: 0, at: CollectiveSite(.command))
    }
    #expect(values == expected)
    var lengths: [Int] = []
    values.withUnsafeBufferPointer {
        let part = UnsafeBufferPointer(rebasing: $0.prefix(count))
        device.exchange(part, counts: [count], .allGather, at: CollectiveSite(.command)) {
            lengths = $0.map(\.count)
        }
    }
    #expect(lengths == [count])
}
