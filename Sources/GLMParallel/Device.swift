package import GLMTensor

/// One device of a group, as a model sees it: what it owns, and how it meets the others.
///
/// A collective that fails ends the work of the group: a layer has no use for half a sum.
package struct Device: Sendable {
    package let communicator: any Communicator
    package let plan: Partition
    package let ledger = TrafficLedger()
    private let failed: @Sendable (CollectiveFailure) -> Never

    /// - Parameter failed: is told why the group's work ends, and ends it.
    package init(
        _ communicator: any Communicator, plan: Partition,
        failed: @escaping @Sendable (CollectiveFailure) -> Never
    ) {
        self.communicator = communicator
        self.plan = plan
        self.failed = failed
    }

    /// A device that owns everything.
    package static func single() -> Device {
        Device(SingleDevice(), plan: .whole) { preconditionFailure("one device waited for another: \($0)") }
    }

    package var rank: Int { plan.rank }
    package var isAlone: Bool { communicator.size == 1 }

    /// Ends the group's work.
    package func fail(_ failure: CollectiveFailure) -> Never {
        communicator.abort(failure)
        failed(failure)
    }

    /// The sum of the devices' `x`, on every device.
    package func sum(_ x: Tensor, at site: CollectiveSite) -> Tensor {
        if isAlone { return x }
        var x = x
        run(.allReduce, elements: x.values.count, site) { () throws(CollectiveFailure) in
            unsafe try onValues(of: &x) { (values) throws(CollectiveFailure) in
                unsafe try communicator.allReduce(values, at: site)
            }
        }
        return x
    }

    /// The devices' columns side by side, `[rows, Σ columns]`: all have as many.
    package func beside(_ x: Tensor, at site: CollectiveSite) -> Tensor {
        if isAlone { return x }
        let parts = gather(
            x.values, counts: [Int](repeating: x.values.count, count: communicator.size), at: site)
        let (rows, width, devices) = (x.rowCount, x.width, communicator.size)
        return unsafe Tensor(shape: [rows, devices * width]) { whole in
            unsafe parts.withUnsafeBufferPointer { parts in
                guard let parts = parts.baseAddress else { return }
                for device in 0..<devices {
                    for row in 0..<rows {
                        unsafe (whole + row * devices * width + device * width).update(
                            from: parts + (device * rows + row) * width, count: width)
                    }
                }
            }
        }
    }

    /// All devices' values, one behind the other.
    package func gather(_ values: [Float], counts: [Int], at site: CollectiveSite) -> [Float] {
        var whole = [Float](repeating: 0, count: counts.reduce(0, +))
        run(.allGather, elements: whole.count, site) { () throws(CollectiveFailure) in
            var failure: CollectiveFailure?
            unsafe values.withUnsafeBufferPointer { part in
                unsafe whole.withUnsafeMutableBufferPointer { whole in
                    do throws(CollectiveFailure) {
                        unsafe try communicator.allGather(part, counts: counts, into: whole, at: site)
                    } catch { failure = error }
                }
            }
            if let failure { throw failure }
        }
        return whole
    }

    /// Returns when every device has come.
    package func meet(at site: CollectiveSite) {
        run(.barrier, elements: 0, site) { () throws(CollectiveFailure) in try communicator.barrier(at: site)
        }
    }

    /// The words of the first device on every device; all give as many.
    package func broadcast(_ words: [UInt32], at site: CollectiveSite) -> [UInt32] {
        var x = Tensor(shape: [words.count], values: words.map { Float(bitPattern: $0) })
        run(.broadcast, elements: words.count, site) { () throws(CollectiveFailure) in
            unsafe try onValues(of: &x) { (values) throws(CollectiveFailure) in
                unsafe try communicator.broadcast(values, from: 0, at: site)
            }
        }
        return x.values.map(\.bitPattern)
    }

    /// Enters a collective into the ledger; does not return when it fails.
    private func run(
        _ collective: Collective, elements: Int, _ site: CollectiveSite,
        _ body: () throws(CollectiveFailure) -> Void
    ) {
        let start = ContinuousClock.now
        do throws(CollectiveFailure) { try body() } catch { fail(error) }
        ledger.add(TrafficLedger.Key(collective, site), elements: elements, time: start.duration(to: .now))
    }

    private func onValues(
        of x: inout Tensor,
        _ body: (UnsafeMutableBufferPointer<Float>) throws(CollectiveFailure) -> Void
    ) throws(CollectiveFailure) {
        var failure: CollectiveFailure?
        unsafe x.values.withUnsafeMutableBufferPointer { values in
            do throws(CollectiveFailure) { unsafe try body(values) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
