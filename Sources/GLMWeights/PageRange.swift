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
    /// A multiple of any page's size.
    private static let piece = 128 << 10
    private let bytes: UnsafeRawBufferPointer

    init(of bytes: UnsafeRawBufferPointer) {
        unsafe self.bytes = bytes
    }

    /// Brings the pages into memory; only advice.
    func willBeNeeded() {
        #if canImport(Glibc) || canImport(Musl)
            // Maps the pages in one call, where the kernel can (Linux 5.14, MADV_POPULATE_READ); reading faults otherwise.
            if let start = unsafe start, unsafe madvise(start, length, 22) == 0 { return }
        #endif
        readAhead()
    }

    /// Lets the system read what is not in memory yet, and goes on; only advice.
    func readAhead() {
        guard let start = unsafe start else { return }
        // Of longer pieces some systems read no more than the beginning.
        for offset in stride(from: 0, to: length, by: Self.piece) {
            _ = unsafe madvise(start + offset, min(Self.piece, length - offset), MADV_WILLNEED)
        }
    }

    /// The first page that holds a byte of it.
    private var start: UnsafeMutableRawPointer? {
        unsafe bytes.baseAddress.map { unsafe UnsafeMutableRawPointer(mutating: $0 - slack) }
    }
    /// Bytes from there to the end.
    private var length: Int { unsafe bytes.count + slack }
    private var slack: Int { Int(bitPattern: unsafe bytes.baseAddress) & (Self.pageSize - 1) }

    /// Reads one byte of each page.
    func touch() {
        var all: UInt8 = 0
        for offset in unsafe stride(from: 0, to: bytes.count, by: Self.pageSize) {
            unsafe all |= bytes[offset]
        }
        withExtendedLifetime(all) {}
    }

    /// Gives the memory of the pages that hold nothing else back; the next access reads the file again; only advice.
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
