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

    /// Claims memory without touching it: its contents are not defined.
    /// - Precondition: `bytes` is not negative.
    public init(bytes: Int) {
        precondition(bytes >= 0, "\(bytes) bytes")
        self.bytes = bytes
        let isLarge = bytes >= LargeMemory.hugePage
        base = .allocate(byteCount: bytes, alignment: isLarge ? LargeMemory.hugePage : 64)
        #if os(Linux)
            // Advice only: without huge pages everything works, slower.
            if isLarge { madvise(base, bytes, Int32(MADV_HUGEPAGE)) }
        #endif
    }

    deinit { base.deallocate() }
}
