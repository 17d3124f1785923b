// What the system does with the pages of a mapping. Knows no contents.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The pages that hold a part of a read-only mapping, and some around it.
@safe
struct MappedPages {
    /// A fault brings pages around it in, up to this distance.
    private static let slack = 1 << 16

    private let start: UnsafeMutableRawPointer?
    private let count: Int

    /// - Parameters:
    ///   - part: what is read next or has been read.
    ///   - whole: the mapping around it; page aligned, as mappings are.
    init(of part: UnsafeRawBufferPointer, in whole: UnsafeRawBufferPointer) {
        guard let base = whole.baseAddress, let first = part.baseAddress else {
            unsafe (start, count) = (nil, 0)
            return
        }
        let offset = unsafe first - base
        // The slack is a multiple of the page size, so the start stays on a page's border.
        let begin = max(0, offset - Self.slack) / Self.slack * Self.slack
        let end = min(whole.count, offset + part.count + Self.slack)
        unsafe start = UnsafeMutableRawPointer(mutating: base + begin)
        count = end - begin
    }

    /// Asks the system to read ahead; only advice.
    func willBeNeeded() {
        guard let start = unsafe start else { return }
        _ = unsafe madvise(start, count, MADV_WILLNEED)
    }

    /// Gives the memory back; the next access reads the file again. Costs a neighbour that still reads here a fault.
    func release() {
        guard let start = unsafe start else { return }
        _ = unsafe madvise(start, count, MADV_DONTNEED)
    }
}
