#if MPI
    internal import GLMParallel
    internal import Synchronization

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif

    /// Ends this process when the group does not come together in time: inside of `MPI_Init` nothing can be asked.
    final class StartWatch: Sendable {
        private let isOver = Atomic<Bool>(false)

        init(timeout: Duration) {
            startThread {
                usleep(UInt32(min(timeout, .seconds(4000)) / .microseconds(1)))
                guard !self.isOver.load(ordering: .acquiring) else { return }
                let names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"]
                let rank = names.lazy.compactMap { StartWatch.variable($0) }.first
                ErrorStream.say(
                    "glm-infer: rank \(rank ?? "unknown"): waited for the others more than "
                        + "\(timeout / .seconds(1)) s; in MPI_Init; see --collective-timeout")
                _exit(74)
            }
        }

        private static func variable(_ name: String) -> String? {
            unsafe getenv(name).map { unsafe String(cString: $0) }
        }

        /// The group is there.
        func end() { isOver.store(true, ordering: .releasing) }
    }
#endif
