#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Runs `body` on a new detached thread; on this one when the system has no thread left.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(ThreadBody(body))
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
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
    if status != 0 { unsafe context.takeRetainedValue().run() }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
