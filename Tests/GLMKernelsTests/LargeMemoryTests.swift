import GLMKernels
import Testing

@Test(arguments: [0, 1, 64, 4095, 1 << 21, 5 << 20])
func largeMemoryHoldsWhatItSays(bytes: Int) {
    let memory = LargeMemory(bytes: bytes)
    #expect(memory.bytes == bytes)
    #expect(Int(bitPattern: memory.base) % (bytes >= 1 << 21 ? 1 << 21 : 64) == 0)
    memory.base.initializeMemory(as: UInt8.self, repeating: 7, count: bytes)
    if bytes > 0 {
        #expect(memory.base.load(as: UInt8.self) == 7)
        #expect(memory.base.load(fromByteOffset: bytes - 1, as: UInt8.self) == 7)
    }
}
