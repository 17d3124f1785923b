#if MPI
    internal import GLMParallel

    #if canImport(Glibc)
        internal import Glibc
    #elseif canImport(Musl)
        internal import Musl
    #else
        internal import Darwin
    #endif

    /// What a process says when the launcher ends it because another one died: where it was, and whom it waited for.
    ///
    /// A signal handler may neither allocate nor lock, and has no argument: the line lies ready in memory that is made
    /// once. Beside the lock of ``MPICalls`` and the pulse that ``MPIProcess`` ends this is the only global state of this program.
    enum LastWords {
        private static let capacity = 512
        private static let line = Line()

        @safe
        private final class Line: @unchecked Sendable {
            let text = UnsafeMutablePointer<UInt8>.allocate(capacity: LastWords.capacity)
            let length = UnsafeMutablePointer<Int>.allocate(capacity: 1)

            init() { unsafe length.initialize(to: 0) }
        }

        /// From now on SIGTERM ends the process with its last words.
        static func speakWhenTerminated() {
            unsafe line.length.pointee = 0
            _ = signal(SIGTERM) { _ in
                _ = unsafe write(STDERR_FILENO, LastWords.line.text, LastWords.line.length.pointee)
                // The launcher stops listening to a process that is gone; it kills one second after it asked.
                var pause = timespec(tv_sec: 0, tv_nsec: 300_000_000)
                unsafe nanosleep(&pause, nil)
                _exit(74)
            }
        }

        /// What to say until further notice.
        static func prepare(
            rank: Int, _ collective: Collective, at site: CollectiveSite, waitingFor others: [Int]
        ) {
            let ranks = others.map(String.init).joined(separator: ", ")
            let state = others.isEmpty ? "behind" : "waiting for rank \(ranks); in"
            let words =
                "glm-infer: rank \(rank): ended by the launcher; \(state) \(collective.rawValue), \(site)\n"
            // Nothing is said while the line changes.
            unsafe line.length.pointee = 0
            let bytes = Array(words.utf8.prefix(capacity))
            unsafe line.text.update(from: bytes, count: bytes.count)
            unsafe line.length.pointee = bytes.count
        }
    }
#endif
