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

    /// The same while 16 MB are allocated, filled and freed for the second time.
    private func faultsOfSecondUse() throws -> Int {
        var counts: [Int] = []
        for _ in 0..<2 {
            let before = try faults()
            let block = UnsafeMutableRawPointer.allocate(byteCount: 16 << 20, alignment: 16)
            memset(block, 1, 16 << 20)
            block.deallocate()
            counts.append(try faults() - before)
        }
        return counts[1]
    }

    /// Kept memory is there already. Negative control: memory that was given back comes page by page.
    @Test func keptMemoryDoesNotFault() throws {
        FreedMemory.keep(upTo: 0)
        let givenBack = try faultsOfSecondUse()
        FreedMemory.keep()
        let kept = try faultsOfSecondUse()
        #expect(kept * 2 < givenBack, "\(kept) faults, \(givenBack)")
    }
#endif
