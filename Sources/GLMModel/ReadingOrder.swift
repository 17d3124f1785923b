package import GLMKernels
import GLMWeights

/// Matrices that a pass reads one after the other, as memory: told to the threads before they need it.
package typealias ReadingOrder = [MemoryStretch]

extension Compute {
    /// Rows of a pass up to which weights are what binds.
    private static let mostRows = 16

    /// Says what will be read behind the region that runs next, so that threads which wait can begin with it.
    package func willRead(_ order: ReadingOrder, rows: Int) {
        if rows <= Compute.mostRows { pool.willRead(order) }
    }

    /// Says what the next region will read, so that threads which wait can begin with it.
    package func readsNext(_ order: @autoclosure () -> ReadingOrder, rows: Int) {
        if rows <= Compute.mostRows { pool.readsNext(order()) }
    }
}

extension Linear {
    /// The whole weight.
    var memory: MemoryStretch { MemoryStretch(weight.view) }
}
