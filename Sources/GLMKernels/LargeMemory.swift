#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Memory that is read often and all over: on huge pages where the system has them, since a gather from small ones
/// waits for the page table.
public final class LargeMemory: @unchecked Sendable {
    /// Bytes of a huge page.
    private static let hugePage = 1 << 21

    /// First byte; aligned to 64 bytes at least.
    public let base: UnsafeMutableRawPointer
    /// How many bytes may be used.
    public let bytes: Int

    /// What is mapped for it; nil for memory of the heap.
    private let mapping: UnsafeMutableRawBufferPointer?

    /// Claims memory without touching it: its contents are not defined.
    ///
    /// Large memory is a mapping of its own: of what a heap gives back some is there already, on small pages.
    /// - Precondition: `bytes` is not negative.
    public init(bytes: Int) {
        precondition(bytes >= 0, "\(bytes) bytes")
        self.bytes = bytes
        mapping = LargeMemory.map(bytes)
        base =
            mapping?.baseAddress?.alignedUp(toMultipleOf: LargeMemory.hugePage)
            ?? .allocate(byteCount: bytes, alignment: 64)
    }

    /// Room for `bytes` from a whole huge page on; nil where that is too much, or the system says no.
    private static func map(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        #if os(Linux)
            guard bytes >= hugePage else { return nil }
            let room = bytes + hugePage
            guard
                let start = mmap(nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                start != MAP_FAILED
            else { return nil }
            // Advice only: without huge pages everything works, slower.
            madvise(start, room, Int32(MADV_HUGEPAGE))
            return UnsafeMutableRawBufferPointer(start: start, count: room)
        #else
            return nil
        #endif
    }

    deinit {
        if let mapping {
            munmap(mapping.baseAddress, mapping.count)
        } else {
            base.deallocate()
        }
    }
}
