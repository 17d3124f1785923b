// Memory for as long as a body runs.
//
// `withUnsafeTemporaryAllocation` chooses between stack and heap by itself. But where its size is known at run time only, and the body
// was not inlined, a program that Swift 6.3.1 optimised looks for the body's error behind a block of the heap, in a register that
// a body without errors uses for itself, and traps. Whether it does depends on what surrounds it, so nothing here asks for that choice.

/// Lends room for `count` elements to `body`: of a kilobyte of the stack where that is enough, else memory of the heap.
///
/// - Precondition: `count` is not negative.
@inlinable @inline(__always)
package func withTemporaryMemory<Element: BitwiseCopyable, Result>(
    of type: Element.Type, count: Int, _ body: (UnsafeMutableBufferPointer<Element>) -> Result
) -> Result {
    let few = 1024 / MemoryLayout<Element>.stride
    precondition(count >= 0, "room for \(count) elements")
    if count <= few {
        return withUnsafeTemporaryAllocation(of: type, capacity: few) {
            body(UnsafeMutableBufferPointer(rebasing: $0.prefix(count)))
        }
    }
    let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: count)
    defer { memory.deallocate() }
    return body(memory)
}

/// Lends `bytes` bytes of the heap that begin with a line of the cache.
@inline(__always)
func withTemporaryLines<Result>(bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { memory.deallocate() }
    return body(memory)
}
