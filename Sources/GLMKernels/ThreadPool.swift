import CVector
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Threads of our own for regions of a few microseconds: workers spin for about a millisecond after a region,
/// then sleep; chunks are handed out through one atomic counter, so a worker that comes late costs one chunk
/// at most.
///
/// The caller of `parallel` takes part. With more threads than the process may use processors nothing ever
/// spins.
public final class ThreadPool: Sendable {
    /// Threads that take part in a region, the caller included.
    public let threads: Int
    private let state: PoolState
    private let workers: [PoolThread]

    /// Processors this process may run on (`sched_getaffinity`).
    public static var availableProcessors: Int { Int(available_processors()) }

    /// Starts `threads − 1` workers; fewer when the system refuses to start one. More threads than processors
    /// are allowed (and never spin).
    /// - Precondition: `threads` is positive.
    public init(threads: Int = ThreadPool.availableProcessors) {
        precondition(threads > 0, "a pool of \(threads) threads")
        let state = PoolState(spins: threads <= ThreadPool.availableProcessors)
        let workers = (1..<threads).compactMap { _ in PoolThread.start(state) }
        self.state = state
        self.workers = workers
        self.threads = workers.count + 1
    }

    deinit {
        state.stop()
        for worker in workers { pthread_join(worker.handle, nil) }
    }

    /// Calls `body` once for each of 0 ..< `chunks`, in any order on any thread, and returns when all are
    /// done.
    ///
    /// One chunk, or a pool of one thread, runs on the caller alone. A call from inside a region of this pool
    /// runs its chunks on the calling thread; callers from other threads wait for one another.
    public func parallel(_ chunks: Int, _ body: (Int) -> Void) {
        let caller = pthread_self()
        if chunks <= 1 || workers.isEmpty || isInside(caller) {
            for chunk in 0..<max(0, chunks) { body(chunk) }
            return
        }
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { pointer in
                state.run(
                    chunks, UInt(bitPattern: UnsafeRawPointer(pointer)), owner: PoolState.identity(caller))
            }
        }
    }

    /// Whether `thread` is running a chunk of this pool right now.
    private func isInside(_ thread: pthread_t) -> Bool {
        state.owner.load(ordering: .relaxed) == PoolState.identity(thread)
            || workers.contains { pthread_equal($0.handle, thread) != 0 }
    }
}

/// The handle of a started worker.
private struct PoolThread: @unchecked Sendable {
    let handle: pthread_t

    static func start(_ state: PoolState) -> PoolThread? {
        let context = Unmanaged.passRetained(state)
        #if canImport(Darwin)
            var handle: pthread_t?
            let entry: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { context in
                Unmanaged<PoolState>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }
        #else
            var handle = pthread_t()
            let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
                if let context { Unmanaged<PoolState>.fromOpaque(context).takeRetainedValue().work() }
                return nil
            }
        #endif
        guard pthread_create(&handle, nil, entry, context.toOpaque()) == 0 else {
            context.release()
            return nil
        }
        #if canImport(Darwin)
            guard let handle else { return nil }
        #endif
        return PoolThread(handle: handle)
    }
}

/// What callers and workers share. A region is a ticket: its number in the upper half, the next chunk in the
/// lower half. A chunk is claimed by raising the ticket with a compare-exchange, so a worker that still holds
/// the ticket of an earlier region claims nothing.
private final class PoolState: @unchecked Sendable {
    typealias Body = (Int) -> Void

    let owner = Atomic<UInt>(0)
    private let spins: Bool
    private let ticket = Atomic<UInt64>(UInt64(UInt32.max))
    private let ticketLine = CacheLine()
    private let chunks = Atomic<Int>(0)
    private let body = Atomic<UInt>(0)
    private let bodyLine = CacheLine()
    private let done = Atomic<Int>(0)
    private let doneLine = CacheLine()
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let stopping = Atomic<Bool>(false)
    private let callers = PoolLock()
    private let wake = PoolLock()
    private let finished = PoolLock()

    init(spins: Bool) { self.spins = spins }

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
        let region = (ticket.load(ordering: .relaxed) >> 32 &+ 1) << 32
        // Closed first: nobody may claim with a new count and an old ticket.
        ticket.store(region | UInt64(UInt32.max), ordering: .sequentiallyConsistent)
        chunks.store(count, ordering: .releasing)
        body.store(pointer, ordering: .releasing)
        done.store(0, ordering: .releasing)
        ticket.store(region, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wake.locked { wake.broadcast() } }
        claimAll()
        waitUntilDone(count)
        owner.store(0, ordering: .relaxed)
    }

    /// Claims and runs chunks until none is left.
    private func claimAll() {
        var seen = ticket.load(ordering: .sequentiallyConsistent)
        while true {
            let next = Int(seen & UInt64(UInt32.max))
            let count = chunks.load(ordering: .acquiring)
            let pointer = body.load(ordering: .acquiring)
            guard next < count else { return }
            let (won, current) = ticket.compareExchange(
                expected: seen, desired: seen &+ 1, ordering: .sequentiallyConsistent)
            guard won else {
                seen = current
                continue
            }
            if let body = UnsafePointer<Body>(bitPattern: pointer) { body.pointee(next) }
            if done.add(1, ordering: .sequentiallyConsistent).newValue == count,
                callerSleeps.load(ordering: .sequentiallyConsistent)
            {
                finished.locked { finished.broadcast() }
            }
            seen = ticket.load(ordering: .sequentiallyConsistent)
        }
    }

    private func waitUntilDone(_ count: Int) {
        if spin(until: { done.load(ordering: .acquiring) == count }) { return }
        finished.lock()
        callerSleeps.store(true, ordering: .sequentiallyConsistent)
        while done.load(ordering: .sequentiallyConsistent) != count { finished.wait() }
        callerSleeps.store(false, ordering: .relaxed)
        finished.unlock()
    }

    /// A worker's life.
    func work() {
        while true {
            claimAll()
            if stopping.load(ordering: .sequentiallyConsistent) { return }
            if spin(until: { hasWork }) { continue }
            wake.lock()
            sleepers.add(1, ordering: .sequentiallyConsistent)
            while !hasWork { wake.wait() }
            sleepers.subtract(1, ordering: .sequentiallyConsistent)
            wake.unlock()
        }
    }

    /// True also when the pool is being torn down.
    private var hasWork: Bool {
        let next = Int(ticket.load(ordering: .sequentiallyConsistent) & UInt64(UInt32.max))
        return next < chunks.load(ordering: .acquiring) || stopping.load(ordering: .sequentiallyConsistent)
    }

    func stop() {
        wake.locked {
            stopping.store(true, ordering: .sequentiallyConsistent)
            wake.broadcast()
        }
    }

    /// Waits for `condition` for about a millisecond; false when that was not enough or spinning is not
    /// allowed.
    private func spin(until condition: () -> Bool) -> Bool {
        if condition() { return true }
        guard spins else { return false }
        let start = monotonicNanoseconds()
        repeat {
            for _ in 0..<64 {
                if condition() { return true }
                spin_hint()
            }
        } while monotonicNanoseconds() &- start < 1_000_000
        return false
    }
}

/// Nanoseconds of a clock that never runs backwards.
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(truncatingIfNeeded: now.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: now.tv_nsec)
}

/// Keeps two counters out of each other's cache line.
private struct CacheLine: Sendable {
    let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// A mutex with a condition.
private final class PoolLock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func lock() { pthread_mutex_lock(mutex) }
    func unlock() { pthread_mutex_unlock(mutex) }
    func wait() { pthread_cond_wait(condition, mutex) }
    func broadcast() { pthread_cond_broadcast(condition) }

    func locked(_ body: () -> Void) {
        lock()
        body()
        unlock()
    }
}
