import Foundation
import GLMKernels
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc

    /// Page faults of this thread so far.
    private func faults() throws -> Int {
        let line = try String(contentsOfFile: "/proc/thread-self/stat", encoding: .utf8)
        let fields = try #require(line.split(separator: ")").last).split(separator: " ")
        return try #require(Int(fields[7]))
    }

    /// Allocates small pages, fills and frees them some times.
    ///
    /// - Returns: page faults, the least of all times but the first, since another thread that allocates behind the block once makes
    ///   the next time take new memory; and whether the block lay in the heap that has no end. Those of threads have 64 MB, in which a
    ///   large block finds no second place.
    private func reuse(_ megabytes: Int) throws -> (faults: Int, isInMainHeap: Bool) {
        var counts: [Int] = []
        var isInMainHeap = true
        for _ in 0..<6 {
            let before = try faults()
            let block = UnsafeMutableRawPointer.allocate(byteCount: megabytes << 20, alignment: 4096)
            madvise(block, megabytes << 20, Int32(MADV_NOHUGEPAGE))
            memset(block, 1, megabytes << 20)
            isInMainHeap = isInMainHeap && sbrk(0).map { block < $0 } == true
            block.deallocate()
            counts.append(try faults() - before)
        }
        return (try #require(counts.dropFirst().min()), isInMainHeap)
    }

    /// The faults of a thread in the main heap, to which those that begin later belong in turn with the other heaps.
    private func faultsInMainHeap(_ megabytes: Int) throws -> Int {
        for _ in 0..<100 {
            let found = Mutex<Result<(faults: Int, isInMainHeap: Bool), any Error>?>(nil)
            let done = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                let result = Result { try reuse(megabytes) }
                found.withLock { $0 = result }
                done.signal()
            }
            done.wait()
            let result = try #require(found.withLock { $0 }).get()
            if result.isInMainHeap { return result.faults }
        }
        Issue.record("no thread in the main heap")
        return .max
    }

    /// Kept memory is there already. Negative control: memory that was given back comes page by page. In a process of its own,
    /// whose memory nobody else takes.
    @Test func keptMemoryDoesNotFault() async {
        await #expect(processExitsWith: .success) {
            FreedMemory.keep(upTo: 0)
            try #require(try reuse(16).faults > 1000)
            FreedMemory.keep()
            try #require(try faultsInMainHeap(16) < 500)
        }
    }

    /// Blocks of more than 32 MB are kept too, in one heap. Negative control: with heaps for threads they are not.
    @Test func largeBlocksStayInOneHeap() async {
        await #expect(processExitsWith: .success) {
            FreedMemory.keep(inOneHeap: false)
            try #require(try reuse(48).faults > 10_000)
            FreedMemory.keep()
            try #require(try faultsInMainHeap(48) < 500)
        }
    }
#endif
