import GLMKernels
import Testing

/// As much as was asked for, on the stack and from the heap.
@Test(arguments: [0, 1, 9, 255, 256, 257, 5000])
func asMuchAsWasAskedForIsLent(count: Int) {
    let sum = withTemporaryMemory(of: Float.self, count: count) { memory in
        #expect(memory.count == count)
        memory.initialize(repeating: 1)
        return memory.reduce(0, +)
    }
    #expect(sum == Float(count))
}
