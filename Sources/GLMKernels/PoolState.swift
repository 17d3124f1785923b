import CVector
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The chunks of a region that one thread starts with: the region's number in the upper half, the first of them
/// and the one behind the last below. A chunk is claimed by a compare-exchange of the whole, so a worker that
/// still holds the number of an earlier region claims nothing.
struct Slice {
    /// The most chunks of a region.
    static let limit = 0xFFFF

    let word: UInt64

    init(word: UInt64) { self.word = word }

    init(region: UInt32, _ chunks: Range<Int>) {
        word = UInt64(region) << 32 | UInt64(chunks.lowerBound) << 16 | UInt64(chunks.upperBound)
    }

    var region: UInt32 { UInt32(word >> 32) }
    var first: Int { Int(word >> 16 & 0xFFFF) }
    var end: Int { Int(word & 0xFFFF) }
    var isEmpty: Bool { first >= end }
    var withoutFirst: UInt64 { word &+ 1 << 16 }
    var withoutLast: UInt64 { word &- 1 }
}

/// The slice of one thread, in cache lines of its own.
private struct Seat: ~Copyable {
    let slice = Atomic<UInt64>(0)
    private let line = CacheLine()
}

/// Keeps what different threads write out of each other's cache lines.
struct CacheLine: Sendable {
    let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// What the callers and the workers of a pool share.
final class PoolState: @unchecked Sendable {
    /// Is given the chunk, and the seat of the thread that runs it.
    typealias Body = (Int, Int) -> Void

    let owner = Atomic<UInt>(0)
    private let spins: Bool
    private let seatCount: Int
    private let seats: UnsafeMutablePointer<Seat>
    private let ownerLine = CacheLine()
    /// The region that is open, or was last.
    private let opened = Atomic<UInt32>(0)
    private let chunks = Atomic<Int>(0)
    private let body = Atomic<UInt>(0)
    private let bodyLine = CacheLine()
    private let done = Atomic<Int>(0)
    private let doneLine = CacheLine()
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let stopping = Atomic<Bool>(false)
    /// What threads without work ask memory for.
    let readAhead: ReadAhead
    private let callers = PoolLock()
    private let wake = PoolLock()
    private let finished = PoolLock()

    init(seats count: Int, spins: Bool) {
        self.spins = spins
        seatCount = count
        readAhead = ReadAhead(seats: count)
        seats = UnsafeMutablePointer<Seat>.allocate(capacity: count)
        for index in 0..<count { (seats + index).initialize(to: Seat()) }
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

    /// Publishes a region, takes part in it and waits for the rest.
    func run(_ count: Int, _ pointer: UInt, owner identity: UInt) {
        callers.lock()
        defer { callers.unlock() }
        owner.store(identity, ordering: .relaxed)
        let region = opened.load(ordering: .relaxed) &+ 1
        // Closed first: nobody may claim from the new region before all of it is there.
        for seat in 0..<seatCount {
            seats[seat].slice.store(Slice(region: region, 0..<0).word, ordering: .releasing)
        }
        chunks.store(count, ordering: .releasing)
        body.store(pointer, ordering: .releasing)
        done.store(0, ordering: .releasing)
        for seat in 0..<seatCount {
            let slice = Slice(region: region, seat * count / seatCount..<(seat + 1) * count / seatCount)
            seats[seat].slice.store(slice.word, ordering: .releasing)
        }
        opened.store(region, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake.locked { wake.broadcast() } }
        readAhead.announceKept()
        _ = claimAll(0)
        waitUntilDone(count)
        owner.store(0, ordering: .relaxed)
    }

    /// Claims and runs chunks until none is left: those of `own` in their order, then the last ones of others.
    /// - Returns: the region that this was.
    private func claimAll(_ own: Int) -> UInt32 {
        let region = opened.load(ordering: .sequentiallyConsistent)
        let pointer = UnsafePointer<Body>(bitPattern: body.load(ordering: .acquiring))
        guard let pointer, let first = claim(region, own, startingAt: own) else { return region }
        let count = runChunks(of: pointer, region, own, from: first)
        // Read before the last chunk counts as done: after that, the next region may be published.
        let total = chunks.load(ordering: .acquiring)
        if done.add(count, ordering: .sequentiallyConsistent).newValue == total,
            callerSleeps.load(ordering: .sequentiallyConsistent)
        {
            finished.locked { finished.broadcast() }
        }
        return region
    }

    /// Runs the chunk that was claimed and all that can be claimed after it. The closure is copied once, and
    /// lives while a claimed chunk of its region is not counted as done: it must be given back before that.
    /// - Returns: how many these were.
    @inline(never)
    private func runChunks(
        of pointer: UnsafePointer<Body>, _ region: UInt32, _ own: Int, from first: (seat: Int, chunk: Int)
    ) -> Int {
        let body = pointer.pointee
        var (seat, chunk) = first
        var count = 0
        while true {
            body(chunk, own)
            count += 1
            guard let next = claim(region, own, startingAt: seat) else { return count }
            (seat, chunk) = next
        }
    }

    /// A chunk of `region`, looked for from `first` on round to the thread before `own`.
    private func claim(_ region: UInt32, _ own: Int, startingAt first: Int) -> (seat: Int, chunk: Int)? {
        var seat = first
        while true {
            var slice = Slice(word: seats[seat].slice.load(ordering: .sequentiallyConsistent))
            while slice.region == region, !slice.isEmpty {
                let (won, current) = seats[seat].slice.compareExchange(
                    expected: slice.word, desired: seat == own ? slice.withoutFirst : slice.withoutLast,
                    ordering: .sequentiallyConsistent)
                if won { return (seat, seat == own ? slice.first : slice.end - 1) }
                slice = Slice(word: current)
            }
            seat = seat + 1 == seatCount ? 0 : seat + 1
            if seat == own { return nil }
        }
    }

    private func waitUntilDone(_ count: Int) {
        if spin(0, until: { done.load(ordering: .acquiring) == count }) { return }
        finished.lock()
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while done.load(ordering: .sequentiallyConsistent) != count { finished.wait() }
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
    private func hasWork(after region: UInt32) -> Bool {
        opened.load(ordering: .sequentiallyConsistent) != region
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
