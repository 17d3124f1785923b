internal import GLMParallel

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A thread that runs the jobs of one actor, so that a forward pass never blocks Swift's shared pool of threads.
///
/// The thread ends when the last reference to this object is gone; jobs that are queued then still run.
final class EngineThread: SerialExecutor {
    private let queue = JobQueue()

    init() {
        startThread { [queue] in
            while let job = queue.next() {
                unsafe job.job.runSynchronously(on: job.executor)
            }
        }
    }

    deinit { queue.close() }

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe queue.append(JobQueue.Entry(job: UnownedJob(job), executor: asUnownedSerialExecutor()))
    }
}

/// Jobs in order of arrival, handed from any thread to one that sleeps while there are none.
@safe private final class JobQueue: @unchecked Sendable {
    @safe struct Entry {
        let job: UnownedJob
        let executor: UnownedSerialExecutor
    }

    // Allocated, because the functions of pthread need an address that stays.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var entries: [Entry] = []
    private var taken = 0
    private var isClosed = false

    init() {
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(arrived, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(arrived)
        unsafe pthread_mutex_destroy(mutex)
        unsafe arrived.deallocate()
        unsafe mutex.deallocate()
    }

    func append(_ entry: Entry) {
        locked {
            entries.append(entry)
            unsafe pthread_cond_signal(arrived)
        }
    }

    /// No job will follow; `next` gives out the rest, then nil.
    func close() {
        locked {
            isClosed = true
            unsafe pthread_cond_signal(arrived)
        }
    }

    /// The oldest job, waited for.
    func next() -> Entry? {
        locked {
            while taken == entries.count && !isClosed { unsafe pthread_cond_wait(arrived, mutex) }
            guard taken < entries.count else { return nil }
            defer {
                taken += 1
                if taken == entries.count {
                    entries.removeAll(keepingCapacity: true)
                    taken = 0
                }
            }
            return entries[taken]
        }
    }

    private func locked<T>(_ body: () -> T) -> T {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }
}
