import GLMKernels
import Synchronization
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One counter per chunk, so that a chunk run twice or never is seen.
private func visits(_ pool: ThreadPool, chunks: Int) -> [Int] {
    let counters = UnsafeMutablePointer<Int>.allocate(capacity: max(1, chunks))
    counters.initialize(repeating: 0, count: max(1, chunks))
    defer { counters.deallocate() }
    nonisolated(unsafe) let shared = counters
    pool.parallel(chunks) { shared[$0] += 1 }
    return (0..<chunks).map { counters[$0] }
}

/// Threads of one pool and of those beside it count: eight pools of two threads do not spin on two processors, nor on eight.
@Test(arguments: [(1, 1, 1, true), (2, 1, 1, false), (2, 1, 2, true), (1, 8, 2, false), (2, 8, 2, false)])
func poolsThatShareProcessorsSleep(threads: Int, pools: Int, processors: Int, spins: Bool) {
    #expect(ThreadPool(threads: threads, pools: pools, processors: processors).spins == spins)
}

@Test(arguments: [(2, 8, 15, false), (2, 8, 16, true), (4, 2, 8, true), (4, 2, 7, false)])
func poolsWithProcessorsOfTheirOwnSpin(threads: Int, pools: Int, processors: Int, spins: Bool) {
    #expect(ThreadPool(threads: threads, pools: pools, processors: processors).spins == spins)
}

@Test(arguments: [1, 2, 3, 8])
func everyChunkRunsOnce(threads: Int) {
    let pool = ThreadPool(threads: threads)
    #expect(pool.threads == threads)
    for chunks in [0, 1, 2, 3, 7, 64, 1000] {
        for _ in 0..<20 { #expect(visits(pool, chunks: chunks).allSatisfy { $0 == 1 }) }
    }
}

/// Numbers wrap, and slices are renewed before they look newer; the last seat has nothing in regions of two chunks.
@Test(arguments: [1 << 38 - 6, 1 << 39 - 6, 1 << 40 - 6] as [UInt64])
func regionNumbersWrap(before: UInt64) {
    let pool = ThreadPool(threads: 3, pools: 1, processors: 8, after: RegionNumber(before))
    for region in 0..<40 {
        let chunks = region % 8 == 7 ? 9 : 2
        #expect(visits(pool, chunks: chunks) == [Int](repeating: 1, count: chunks))
    }
}

/// What is older is told on the shorter way round, never of itself, and of what lies ahead not at all.
@Test func earlierRegionsComeBefore() {
    let last: UInt64 = 1 << 40 - 1
    let pairs: [(UInt64, UInt64)] = [
        (5, 6), (last, 0), (1 << 39 - 1, 1 << 39), (0, 1 << 38), (last - 3, 1 << 37),
    ]
    for (number, other) in pairs {
        #expect(RegionNumber(number).isBefore(RegionNumber(other)))
        #expect(!RegionNumber(other).isBefore(RegionNumber(number)))
        #expect(!RegionNumber(number).isBefore(RegionNumber(number)))
    }
    // A thread that slept for a long time finds slices of regions that it has not seen, and leaves them alone.
    for later in [1, 1 << 20, 1 << 38, 1 << 39] as [UInt64] {
        #expect(!RegionNumber(7 + later).isBefore(RegionNumber(7)))
    }
    let region = Region(RegionNumber(7), chunks: 5)
    #expect((0..<3).map { region.slice(ofSeat: $0, of: 3).first } == [0, 1, 3])
    #expect((0..<3).map { region.slice(ofSeat: $0, of: 3).end } == [1, 3, 5])
}

/// More chunks than one region can number.
@Test func endlessRegions() {
    let pool = ThreadPool(threads: 2)
    #expect(visits(pool, chunks: 200_000).allSatisfy { $0 == 1 })
}

/// A caller whose worker is kept away takes its own slice from the front and the worker's from the back.
@Test func slicesAreTakenInOrder() throws {
    let pool = ThreadPool(threads: 2)
    try #require(pool.threads == 2)
    let arrived = Atomic<Bool>(false), leave = Atomic<Bool>(false)
    let caller = pthread_self()
    let order = Mutex<[Int]>([])
    pool.parallel(8) { chunk in
        if pthread_equal(pthread_self(), caller) == 0 {
            arrived.store(true, ordering: .sequentiallyConsistent)
            while !leave.load(ordering: .sequentiallyConsistent) { sched_yield() }
            return
        }
        // The caller waits until the worker holds the front of its slice.
        while !arrived.load(ordering: .sequentiallyConsistent) { sched_yield() }
        let taken = order.withLock { order in
            order.append(chunk)
            return order.count
        }
        if taken == 7 { leave.store(true, ordering: .sequentiallyConsistent) }
    }
    #expect(order.withLock { $0 } == [0, 1, 2, 3, 7, 6, 5])
}

@Test func manyShortRegions() {
    let pool = ThreadPool(threads: 3)
    let total = Atomic<Int>(0)
    for region in 0..<5000 { pool.parallel(region % 5) { _ in total.add(1, ordering: .relaxed) } }
    #expect(total.load(ordering: .relaxed) == 10000)
}

@Test func nestedCallsRunInline() {
    let pool = ThreadPool(threads: 3)
    let total = Atomic<Int>(0)
    pool.parallel(6) { _ in pool.parallel(5) { _ in total.add(1, ordering: .relaxed) } }
    #expect(total.load(ordering: .relaxed) == 30)
}

@Test func concurrentCallersShareOnePool() {
    let pool = ThreadPool(threads: 2)
    let callers = ThreadPool(threads: 4)
    let total = Atomic<Int>(0)
    callers.parallel(16) { _ in
        for _ in 0..<50 { pool.parallel(4) { total.add($0, ordering: .relaxed) } }
    }
    #expect(total.load(ordering: .relaxed) == 16 * 50 * 6)
}

@Test func poolsComeAndGo() {
    for threads in [1, 2, 5, 2, 8] {
        #expect(visits(ThreadPool(threads: threads), chunks: 9) == [Int](repeating: 1, count: 9))
    }
    #expect(ThreadPool.availableProcessors >= 1)
}
