import CVector

/// What becomes of memory that was freed.
public enum FreedMemory {
    /// The most that glibc takes for the size from which blocks are given back in any case.
    private static let largestKept = 32 << 20
    /// From so many bytes on a block is memory of its own where nothing is kept: glibc's own choice.
    private static let smallestMapped = 128 << 10

    /// Keeps freed memory at the end of a heap, up to `bytes`, for what is allocated next; with 0, what is freed from now on
    /// goes back to the system.
    ///
    /// A pass of many tokens frees and allocates the same tens of megabytes in every layer. Memory that was given back to the
    /// system comes again page by page, each a fault and zeroed: 96,000 faults in a prefill of 512 tokens on a small model,
    /// a seventh of its time. The setting is one of the whole process, so it is the program's to make, before its first pass
    /// and best before its second thread; `glm-infer` does. Where the C library is not glibc nothing happens.
    ///
    /// - Parameter inOneHeap: all threads share one heap, and blocks of any size stay in it. With heaps of their own, which
    ///   threads like that allocate much at the same time, a heap has 64 MB at most, an empty one goes back, and so do
    ///   blocks of more than 32 MB: 76,000 faults in a prompt of 512 tokens at GLM-5's widths, 3 to 5 % of its time.
    public static func keep(upTo bytes: Int = 256 << 20, inOneHeap: Bool = true) {
        let limit = max(0, min(bytes, Int(Int32.max)))
        keep_freed_memory(
            Int32(limit), Int32(max(FreedMemory.smallestMapped, min(limit, FreedMemory.largestKept))),
            inOneHeap && limit > 0 ? 1 : 0)
    }
}
