import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Memory whose last byte is the last of a page, with a forbidden page behind it: reading one byte too far
/// ends the process. Its first byte has whatever alignment the size leaves.
final class GuardedBytes {
    let base: UnsafeMutableRawPointer
    let count: Int
    private let mapping: UnsafeMutableRawPointer
    private let length: Int

    init(count: Int) throws {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        length = (count + page - 1) / page * page + page
        let mapping = try #require(
            mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        try #require(mapping != MAP_FAILED)
        #expect(mprotect(mapping + length - page, page, PROT_NONE) == 0)
        self.mapping = mapping
        self.count = count
        base = mapping + length - page - count
    }

    convenience init(_ floats: [Float]) throws {
        try self.init(count: floats.count * 4)
        floats.withUnsafeBytes {
            base.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: count)
        }
    }

    var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }

    deinit { munmap(mapping, length) }
}
