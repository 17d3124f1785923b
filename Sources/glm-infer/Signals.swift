internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What signals do to the program.
enum Signals {
    /// A reader that goes away ends the program without a word, also where a parent process had the signal ignored; Ctrl-C is
    /// kept back for `Interrupts`. To be called before there is a second thread: threads inherit what is kept back.
    static func prepare() {
        _ = signal(SIGPIPE, SIG_DFL)
        _ = mask(SIG_BLOCK)
    }

    /// Waits for Ctrl-C; false if that cannot be waited for.
    fileprivate static func wait() -> Bool {
        var set = interruptSet()
        var number: Int32 = 0
        return unsafe sigwait(&set, &number) == 0
    }

    /// Ends the program as Ctrl-C does by itself, so that a shell knows.
    fileprivate static func end() -> Never {
        _ = signal(SIGINT, SIG_DFL)
        _ = mask(SIG_UNBLOCK)
        raise(SIGINT)
        exit(128 + SIGINT)
    }

    private static func mask(_ operation: Int32) -> Int32 {
        var set = interruptSet()
        return unsafe pthread_sigmask(operation, &set, nil)
    }

    private static func interruptSet() -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGINT)
        return set
    }
}

/// Gives Ctrl-C a meaning of its own while something runs that it should end; else it ends the program, quietly.
final class Interrupts: Sendable {
    private let action = Mutex<(@Sendable () -> Void)?>(nil)

    /// Waits for Ctrl-C as long as the program runs. For the main thread: were it left to the runtime, it would take the
    /// signal as soon as it sleeps, whatever was kept back.
    func listen() -> Never {
        while Signals.wait() {
            guard let interrupt = action.withLock({ $0 }) else { break }
            interrupt()
        }
        Signals.end()
    }

    /// Runs `body`; Ctrl-C meanwhile calls `interrupt` instead of ending the program.
    func handling<T, E: Error>(
        _ interrupt: @escaping @Sendable () -> Void, _ body: () async throws(E) -> T
    ) async throws(E) -> T {
        action.withLock { $0 = interrupt }
        defer { action.withLock { $0 = nil } }
        return try await body()
    }
}
