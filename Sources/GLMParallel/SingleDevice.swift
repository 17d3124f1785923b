import GLMKernels

/// A group of one: nothing travels and nothing can fail.
package struct SingleDevice: Communicator {
    package let rank = 0
    package let size = 1

    package init() {}

    package func exchange(
        _ part: UnsafeBufferPointer<Float>, counts: [Int], _ collective: Collective, at site: CollectiveSite,
        _ body: ([UnsafeBufferPointer<Float>]) -> Void
    ) {
        // A copy: `body` may write to where the part came from.
        unsafe withTemporaryMemory(of: Float.self, count: part.count) { copy in
            _ = unsafe copy.initialize(from: part)
            unsafe body([UnsafeBufferPointer(copy)])
        }
    }

    package func add(
        _ part: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
        into share: UnsafeMutableBufferPointer<Float>, _ collective: Collective, at site: CollectiveSite
    ) {
        unsafe copy(pieces[0], of: part, to: share)
    }

    package func abort(_ failure: CollectiveFailure) {}

    package func subgroup(_ ranks: Range<Int>) -> any Communicator { self }
}
