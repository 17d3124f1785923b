#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A lock with a condition that can be waited for until a point in time. Whoever waits sleeps.
@safe
package final class Condition: @unchecked Sendable {
    // Allocated, because the functions of pthread need an address that stays.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    package func locked<T>(_ body: () -> T) -> T {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Wakes every waiting thread. The lock may be held; a thread that is woken without it need not wait for it.
    package func wakeAll() { unsafe pthread_cond_broadcast(condition) }

    /// Sleeps until woken, perhaps without a reason; false once `deadline` has passed. The lock is held.
    package func wait(until deadline: ContinuousClock.Instant?) -> Bool {
        guard let deadline else {
            unsafe pthread_cond_wait(condition, mutex)
            return true
        }
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { return false }
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        // A step of the system's clock may end a wait early or late; so the time is asked again after an hour at most.
        let (seconds, attoseconds) = min(left, .seconds(3600)).components
        let nanoseconds = Int(time.tv_nsec) + Int(attoseconds / 1_000_000_000)
        time.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
        time.tv_nsec = nanoseconds % 1_000_000_000
        unsafe pthread_cond_timedwait(condition, mutex, &time)
        return ContinuousClock.now < deadline
    }
}
