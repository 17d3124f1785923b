import GLMKernels
import Testing

/// Every word is read once, whatever is asked for ahead; the sum wraps.
@Test(arguments: levels)
func readingAddsAllWords(level: InstructionSet) throws {
    for lines in [0, 4, 8, 64, 260] {
        var generator = Sequence64(seed: UInt64(lines) + 1)
        let words = (0..<lines * 16).map { _ in Int32(truncatingIfNeeded: generator.next()) }
        let memory = try GuardedBytes(count: lines * 64)
        for (index, word) in words.enumerated() {
            memory.base.storeBytes(of: word, toByteOffset: index * 4, as: Int32.self)
        }
        let expected = words.reduce(0, &+)
        for way in [nil] + FetchWay.allCases {
            for once in [false, true] {
                let kernels = Kernels.table(level).fetching(once: once)
                #expect(kernels.read(memory.base, bytes: lines * 64, way) == expected, "\(lines) lines")
            }
        }
        // Negative control: a word more.
        if lines > 0 {
            memory.base.storeBytes(of: words[0] &+ 1, toByteOffset: 0, as: Int32.self)
            #expect(Kernels.table(level).read(memory.base, bytes: lines * 64, nil) != expected)
        }
    }
}
