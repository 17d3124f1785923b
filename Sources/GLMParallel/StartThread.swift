#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Runs `body` on a new detached thread.
/// - Precondition: the system has a thread left.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(ThreadBody(body))
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    // Some systems give a second thread less than the layers of a model may need: 8 MiB is what Linux gives.
    unsafe pthread_attr_setstacksize(&attributes, 8 << 20)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    #if canImport(Darwin)
        var thread: pthread_t?
    #else
        var thread = pthread_t()
    #endif
    let status = unsafe pthread_create(
        &thread, &attributes,
        { pointer in
            let opaque: UnsafeMutableRawPointer? = unsafe pointer
            if let opaque = unsafe opaque {
                unsafe Unmanaged<ThreadBody>.fromOpaque(opaque).takeRetainedValue().run()
            }
            return nil
        }, context.toOpaque())
    precondition(status == 0, "the system gives no thread: error \(status)")
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
