#if MPI
    internal import Synchronization

    /// One thread of a process talks to MPI at a time, whatever the library allows.
    enum MPICalls {
        private static let lock = Mutex(())

        static func alone<Result>(_ body: () -> Result) -> Result { lock.withLock { _ in body() } }
    }
#endif
