import Foundation
import GLMKernels
import Testing

#if canImport(Glibc)
    import Glibc

    /// Page faults of this thread so far.
    private func faults() throws -> Int {
        let line = try String(contentsOfFile: "/proc/thread-self/stat", encoding: .utf8)
        let fields = try #require(line.split(separator: ")").last).split(separator: " ")
        return try #require(Int(fields[7]))
    }

    /// The same while small pages are allocated, filled and freed once more: the least of some rounds, since another thread that
    /// allocates behind the block once makes the next round take new memory. On the main thread, whose heap has no end: those of
    /// other threads have 64 MB, in which a large block finds no second place.
    @MainActor private func faultsOfReuse(megabytes: Int = 16) throws -> Int {
        var counts: [Int] = []
        for _ in 0..<6 {
            let before = try faults()
            let block = UnsafeMutableRawPointer.allocate(byteCount: megabytes << 20, alignment: 4096)
            madvise(block, megabytes << 20, Int32(MADV_NOHUGEPAGE))
            memset(block, 1, megabytes << 20)
            block.deallocate()
            counts.append(try faults() - before)
        }
        return try #require(counts.dropFirst().min())
    }

    /// Kept memory is there already. Negative control: memory that was given back comes page by page. In a process of its own,
    /// whose memory nobody else takes.
    @Test func keptMemoryDoesNotFault() async {
        await #expect(processExitsWith: .success) {
            FreedMemory.keep(upTo: 0)
            try #require(try await faultsOfReuse() > 1000)
            FreedMemory.keep()
            try #require(try await faultsOfReuse() < 500)
        }
    }

    /// Blocks of more than 32 MB are kept too, in one heap. Negative control: with heaps for threads they are not.
    @Test func largeBlocksStayInOneHeap() async {
        await #expect(processExitsWith: .success) {
            FreedMemory.keep(inOneHeap: false)
            try #require(try await faultsOfReuse(megabytes: 48) > 10_000)
            FreedMemory.keep()
            try #require(try await faultsOfReuse(megabytes: 48) < 500)
        }
    }
#endif
