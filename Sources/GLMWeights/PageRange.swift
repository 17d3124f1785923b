#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The pages of a mapping that hold a piece of it.
@safe
struct PageRange {
    private static let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
    private let bytes: UnsafeRawBufferPointer

    init(of bytes: UnsafeRawBufferPointer) {
        unsafe self.bytes = bytes
    }

    /// Asks the system to read ahead; only advice.
    func willBeNeeded() {
        guard let base = unsafe bytes.baseAddress else { return }
        let slack = Int(bitPattern: base) & (Self.pageSize - 1)
        let start = unsafe UnsafeMutableRawPointer(mutating: base - slack)
        #if canImport(Glibc) || canImport(Musl)
            // Maps the pages in one call, where the kernel can (Linux 5.14, MADV_POPULATE_READ); reading faults otherwise.
            if unsafe madvise(start, bytes.count + slack, 22) == 0 { return }
        #endif
        _ = unsafe madvise(start, bytes.count + slack, MADV_WILLNEED)
    }

    /// Lets the system read what is not in memory yet, and goes on; only advice.
    func readAhead() {
        guard let base = unsafe bytes.baseAddress else { return }
        let slack = Int(bitPattern: base) % Self.pageSize
        let start = unsafe UnsafeMutableRawPointer(mutating: base - slack)
        _ = unsafe madvise(start, bytes.count + slack, MADV_WILLNEED)
    }

    /// Reads one byte of each page.
    func touch() {
        var all: UInt8 = 0
        for offset in unsafe stride(from: 0, to: bytes.count, by: Self.pageSize) {
            unsafe all |= bytes[offset]
        }
        withExtendedLifetime(all) {}
    }

    /// Gives the memory of whole pages back, the next access reads the file again; only advice.
    func release() {
        guard let base = unsafe bytes.baseAddress else { return }
        let begin = Int(bitPattern: base)
        let first = (begin + Self.pageSize - 1) / Self.pageSize * Self.pageSize
        let end = unsafe (begin + bytes.count) / Self.pageSize * Self.pageSize
        guard first < end else { return }
        let start = unsafe UnsafeMutableRawPointer(mutating: base + (first - begin))
        _ = unsafe madvise(start, end - first, MADV_DONTNEED)
    }
}
