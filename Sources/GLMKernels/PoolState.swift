import CVector
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What one thread has, in cache lines of its own.
private struct Seat: ~Copyable {
    /// What is left of its share of the region that it was last used in; older than the open region until somebody claims
    /// the first chunk.
    let slice: Atomic<UInt64>
    private let line = CacheLine()
    /// Chunks that the thread has run since the pool began, written by it alone; wraps.
    let finished = Atomic<Int>(0)
    private let more = CacheLine()

    init(_ slice: Slice) { self.slice = Atomic(slice.word) }
}

/// Keeps what different threads write out of each other's cache lines.
struct CacheLine: Sendable {
    let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// What every chunk of a region runs: is given the chunk, and the seat of the thread that runs it.
final class RegionBody {
    let run: (Int, Int) -> Void

    init(_ run: @escaping (Int, Int) -> Void) { self.run = run }
}

/// What the callers and the workers of a pool share.
///
/// A region costs its caller one line that workers watch (`opened`, with `body` beside it), and each worker two of its own:
/// the slices are not handed out, who comes first cuts them, and each thread counts for itself what it has done.
final class PoolState: @unchecked Sendable {
    let owner = Atomic<UInt>(0)
    /// Chunks of all regions so far; wraps. Written by who has the lock of callers.
    private let total = Atomic<Int>(0)
    private let ownerLine = CacheLine()
    /// The region that is open, or was last.
    private let opened: Atomic<UInt64>
    /// A `RegionBody`, which the caller keeps.
    private let body = Atomic<UInt>(0)
    private let bodyLine = CacheLine()
    private let spins: Bool
    private let seatCount: Int
    private let seats: UnsafeMutablePointer<Seat>
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let stopping = Atomic<Bool>(false)
    /// What threads without work ask memory for.
    let readAhead: ReadAhead
    private let callers = PoolLock()
    private let wake = PoolLock()
    private let finished = PoolLock()

    /// - Parameter number: of the region before the first one.
    init(seats count: Int, spins: Bool, after number: RegionNumber) {
        self.spins = spins
        seatCount = count
        opened = Atomic(Region(number, chunks: 0).word)
        readAhead = ReadAhead(seats: count)
        seats = UnsafeMutablePointer<Seat>.allocate(capacity: count)
        for index in 0..<count { (seats + index).initialize(to: Seat(Slice(number, 0..<0))) }
    }

    deinit {
        for index in 0..<seatCount { (seats + index).deinitialize(count: 1) }
        seats.deallocate()
    }

    static func identity(_ thread: pthread_t) -> UInt {
        #if canImport(Darwin) || canImport(Musl)
            UInt(bitPattern: thread)
        #else
            UInt(thread)
        #endif
    }

    /// Publishes a region of `count` chunks, takes part in it and waits for the rest.
    func run(_ count: Int, _ region: RegionBody, owner identity: UInt) {
        callers.lock()
        defer { callers.unlock() }
        owner.store(identity, ordering: .relaxed)
        let next = Region(Region(word: opened.load(ordering: .relaxed)).number.next, chunks: count)
        if next.number.renews {
            for seat in 0..<seatCount {
                seats[seat].slice.store(
                    next.slice(ofSeat: seat, of: seatCount).word, ordering: .releasing)
            }
        }
        // Before the region is opened: who works on it knows when it is done.
        total.store(total.load(ordering: .relaxed) &+ count, ordering: .releasing)
        body.store(UInt(bitPattern: Unmanaged.passUnretained(region).toOpaque()), ordering: .releasing)
        opened.store(next.word, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake.locked { wake.broadcast() } }
        readAhead.announceKept()
        withExtendedLifetime(region) {
            _ = claimAll(0)
            waitUntilDone()
        }
        owner.store(0, ordering: .relaxed)
    }

    /// Claims and runs chunks until none is left: those of `own` in their order, then the last ones of others.
    /// - Returns: the region that this was.
    private func claimAll(_ own: Int) -> Region {
        let region = Region(word: opened.load(ordering: .sequentiallyConsistent))
        // A later region's where this one is over: then nothing can be claimed, and it is not looked at.
        let body = UnsafeRawPointer(bitPattern: body.load(ordering: .acquiring))
        guard let body, let first = claim(region, own, startingAt: own) else { return region }
        let count = Unmanaged<RegionBody>.fromOpaque(body)._withUnsafeGuaranteedRef {
            runChunks(of: $0, region, own, from: first)
        }
        // The caller may open the next region from here on.
        let before = seats[own].finished.load(ordering: .relaxed)
        seats[own].finished.store(before &+ count, ordering: .sequentiallyConsistent)
        if callerSleeps.load(ordering: .sequentiallyConsistent), isDone {
            finished.locked { finished.broadcast() }
        }
        return region
    }

    /// Runs the chunk that was claimed and all that can be claimed after it. The body lives while a claimed chunk of its
    /// region is not counted as done.
    /// - Returns: how many these were.
    @inline(never)
    private func runChunks(
        of body: RegionBody, _ region: Region, _ own: Int, from first: (seat: Int, chunk: Int)
    ) -> Int {
        var (seat, chunk) = first
        var count = 0
        while true {
            body.run(chunk, own)
            count += 1
            guard let next = claim(region, own, startingAt: seat) else { return count }
            (seat, chunk) = next
        }
    }

    /// A chunk of `region`, looked for from `first` on round to the thread before `own`.
    private func claim(_ region: Region, _ own: Int, startingAt first: Int) -> (seat: Int, chunk: Int)? {
        var seat = first
        while true {
            var found = Slice(word: seats[seat].slice.load(ordering: .sequentiallyConsistent))
            while true {
                let slice =
                    found.region.isBefore(region.number) ? region.slice(ofSeat: seat, of: seatCount) : found
                if slice.region != region.number || slice.isEmpty { break }
                let (won, current) = seats[seat].slice.compareExchange(
                    expected: found.word, desired: seat == own ? slice.withoutFirst : slice.withoutLast,
                    ordering: .sequentiallyConsistent)
                if won { return (seat, seat == own ? slice.first : slice.end - 1) }
                found = Slice(word: current)
            }
            seat = seat + 1 == seatCount ? 0 : seat + 1
            if seat == own { return nil }
        }
    }

    /// Whether all chunks of all regions have been run.
    private var isDone: Bool {
        var count = 0
        for seat in 0..<seatCount { count &+= seats[seat].finished.load(ordering: .sequentiallyConsistent) }
        return count == total.load(ordering: .acquiring)
    }

    private func waitUntilDone() {
        if spin(0, until: { isDone }) { return }
        finished.lock()
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while !isDone { finished.wait() }
        callerSleeps.store(false, ordering: .relaxed)
        finished.unlock()
    }

    /// A worker's life.
    func work(_ seat: Int) {
        while true {
            let region = claimAll(seat)
            if stopping.load(ordering: .sequentiallyConsistent) { return }
            if spin(seat, until: { hasWork(after: region) }) { continue }
            wake.lock()
            sleepers.add(1, ordering: .sequentiallyConsistent)
            while !hasWork(after: region) { wake.wait() }
            sleepers.subtract(1, ordering: .sequentiallyConsistent)
            wake.unlock()
        }
    }

    /// True also when the pool is being torn down.
    private func hasWork(after region: Region) -> Bool {
        opened.load(ordering: .sequentiallyConsistent) != region.word
            || stopping.load(ordering: .sequentiallyConsistent)
    }

    func stop() {
        wake.locked {
            stopping.store(true, ordering: .sequentiallyConsistent)
            wake.broadcast()
        }
    }

    /// Waits for `condition` for about a millisecond, and asks memory for what the next region will read; false when
    /// that was not enough or spinning is not allowed.
    private func spin(_ seat: Int, until condition: () -> Bool) -> Bool {
        if condition() { return true }
        guard spins else { return false }
        let start = monotonicNanoseconds()
        repeat {
            for _ in 0..<64 {
                if condition() { return true }
                if !readAhead.step(seat) { spin_hint() }
            }
        } while monotonicNanoseconds() &- start < 1_000_000
        return false
    }
}
