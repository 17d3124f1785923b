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
/// then sleep.
///
/// The chunks of a region are cut into one slice for each thread, which works through its own from the front,
/// so that what it reads comes in order, and then helps the others from the back: a worker that comes late
/// costs one chunk at most. The caller of `parallel` takes part. With more threads than the process may use
/// processors nothing ever spins.
public final class ThreadPool: Sendable {
    /// Threads that take part in a region, the caller included.
    public let threads: Int
    /// Whether who waits does not sleep at once.
    package let spins: Bool
    private let state: PoolState
    private let workers: [PoolThread]
    private let scratch: SeatScratch

    /// Processors this process may run on (`sched_getaffinity`).
    public static var availableProcessors: Int { Int(available_processors()) }

    /// Starts `threads − 1` workers; fewer when the system refuses to start one. More threads than processors
    /// are allowed (and never spin).
    ///
    /// - Parameters:
    ///   - pools: how many such pools work at the same time, in this process or beside it.
    ///   - processors: what they all may use together.
    /// - Precondition: `threads` and `pools` are positive.
    public convenience init(
        threads: Int = ThreadPool.availableProcessors, pools: Int = 1,
        processors: Int = ThreadPool.availableProcessors
    ) {
        self.init(threads: threads, pools: pools, processors: processors, after: RegionNumber(0))
    }

    /// The same where the number of the region before the first one is given: they wrap after 2⁴⁰ regions.
    package init(threads: Int, pools: Int, processors: Int, after number: RegionNumber) {
        precondition(threads > 0 && pools > 0, "\(pools) pools of \(threads) threads")
        spins = threads <= processors / pools
        let state = PoolState(seats: threads, spins: spins, after: number)
        var workers: [PoolThread] = []
        while workers.count + 1 < threads, let worker = PoolThread.start(state, seat: workers.count + 1) {
            workers.append(worker)
        }
        self.state = state
        self.workers = workers
        scratch = SeatScratch(seats: threads)
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
        parallel(
            chunks, alone: { for chunk in 0..<max(0, chunks) { body(chunk) } }, { chunk, _ in body(chunk) })
    }

    /// The same, and lends the memory of the thread that runs a chunk.
    public func parallel(_ chunks: Int, _ body: (Int, Scratch) -> Void) {
        let scratch = scratch
        parallel(
            chunks,
            alone: {
                scratch.withSpare { own in
                    for chunk in 0..<max(0, chunks) { body(chunk, own) }
                }
            },
            { chunk, seat in scratch.withScratch(ofSeat: seat) { body(chunk, $0) } })
    }

    private func parallel(_ chunks: Int, alone: () -> Void, _ body: (Int, Int) -> Void) {
        let caller = pthread_self()
        if chunks <= 1 || workers.isEmpty || isInside(caller) { return alone() }
        for first in stride(from: 0, to: chunks, by: Slice.limit) {
            withoutActuallyEscaping({ body(first + $0, $1) }) { body in
                state.run(
                    min(chunks - first, Slice.limit), RegionBody(body), owner: PoolState.identity(caller))
            }
        }
    }

    /// Says what the region behind the next one will read, in order: a thread for which the next one has nothing left
    /// fetches the beginning of its share into its cache. Results do not depend on it.
    ///
    /// Call it from the thread that will call `parallel`.
    public func willRead(_ stretches: [MemoryStretch]) {
        if workers.isEmpty { return }
        state.readAhead.later(stretches)
    }

    /// The same of the next region: threads that wait for it begin at once.
    public func readsNext(_ stretches: [MemoryStretch]) {
        if workers.isEmpty { return }
        state.readAhead.announce(stretches)
    }

    /// Whether `thread` is running a chunk of this pool right now.
    private func isInside(_ thread: pthread_t) -> Bool {
        state.owner.load(ordering: .relaxed) == PoolState.identity(thread)
            || workers.contains { pthread_equal($0.handle, thread) != 0 }
    }
}

/// The memory of every seat; a seat's is used by the thread that sits there, and by one caller at a time.
private final class SeatScratch: @unchecked Sendable {
    private let seats: UnsafeMutableBufferPointer<Unmanaged<Scratch>>
    /// What a region of one thread used last, while nobody uses it; the lock's.
    private var spare: Scratch?
    private let lock = PoolLock()

    init(seats count: Int) {
        seats = .allocate(capacity: count)
        for seat in 0..<count { seats.initializeElement(at: seat, to: .passRetained(Scratch())) }
    }

    deinit {
        for scratch in seats { scratch.release() }
        seats.deallocate()
    }

    /// Lends the memory of `seat`, and counts no reference to it: threads would do so in every chunk.
    @inline(__always)
    func withScratch(ofSeat seat: Int, _ body: (Scratch) -> Void) {
        seats[seat]._withUnsafeGuaranteedRef { body($0) }
    }

    /// Lends memory that nobody else uses meanwhile, and keeps it.
    func withSpare(_ body: (Scratch) -> Void) {
        var own: Scratch?
        lock.locked { swap(&own, &spare) }
        let scratch = own ?? Scratch()
        body(scratch)
        lock.locked { spare = scratch }
    }
}

/// What a thread is started with.
private final class PoolWorker: Sendable {
    private let state: PoolState
    private let seat: Int

    init(state: PoolState, seat: Int) {
        self.state = state
        self.seat = seat
    }

    func work() { state.work(seat) }
}

/// The handle of a started worker.
private struct PoolThread: @unchecked Sendable {
    let handle: pthread_t

    static func start(_ state: PoolState, seat: Int) -> PoolThread? {
        let context = Unmanaged.passRetained(PoolWorker(state: state, seat: seat))
        #if canImport(Darwin)
            var handle: pthread_t?
            let entry: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { context in
                Unmanaged<PoolWorker>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }
        #else
            var handle = pthread_t()
            let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
                if let context { Unmanaged<PoolWorker>.fromOpaque(context).takeRetainedValue().work() }
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

/// Nanoseconds of a clock that never runs backwards.
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(truncatingIfNeeded: now.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: now.tv_nsec)
}
