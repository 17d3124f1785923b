/// Memory that a thread lends to the loops it runs: taken and given back in the manner of a stack, and kept, so that a
/// region of a few microseconds asks the system for nothing. For one thread at a time.
public final class Scratch {
    private static let alignment = 64
    /// Threads take memory of their own in every chunk, and must not write to one line of the cache for it.
    private let line = CacheLine()
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var used = 0
    /// What would have been enough, for the next time that nothing is in use.
    private var wanted = 0
    private let more = CacheLine()

    /// Memory is claimed at the first use.
    public init() {}

    deinit { base?.deallocate() }

    /// Lends `count` floats with any content to `body`, aligned to a line of the cache.
    package func withFloats(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        precondition(count >= 0, "\(count) floats")
        let size = (count * 4 + Scratch.alignment - 1) / Scratch.alignment * Scratch.alignment
        wanted = max(wanted, used + size)
        if used == 0, wanted > capacity { grow() }
        guard let base, used + size <= capacity else {
            return withTemporaryLines(bytes: size) { start in
                used += size
                body(start.assumingMemoryBound(to: Float.self))
                used -= size
            }
        }
        let start = base + used
        used += size
        body(start.assumingMemoryBound(to: Float.self))
        used -= size
    }

    private func grow() {
        base?.deallocate()
        base = .allocate(byteCount: wanted, alignment: Scratch.alignment)
        capacity = wanted
    }
}
