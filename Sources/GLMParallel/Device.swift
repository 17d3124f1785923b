package import GLMTensor

/// One device of a group, as a model sees it: what it owns, and how it meets the others.
///
/// A collective that fails ends the work of the group: a layer has no use for half a sum.
package struct Device: Sendable {
    package let communicator: any Communicator
    package let plan: Partition
    package let ledger = TrafficLedger()
    /// The devices that share this one's attention, and its sequences.
    private let attentionGroup: any Communicator
    private let failed: @Sendable (CollectiveFailure) -> Never

    /// - Parameter failed: is told why the group's work ends, and ends it.
    package init(
        _ communicator: any Communicator, plan: Partition,
        failed: @escaping @Sendable (CollectiveFailure) -> Never
    ) {
        self.communicator = communicator
        self.plan = plan
        attentionGroup = communicator.subgroup(plan.dataGroupRanks)
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
        sum(x, over: communicator, at: site)
    }

    /// The sum of `x` over the devices that share this one's attention; nothing travels for no rows.
    package func sumOfAttention(_ x: Tensor, at site: CollectiveSite) -> Tensor {
        x.rowCount == 0 && plan.layout.data > 1 ? x : sum(x, over: attentionGroup, at: site)
    }

    private func sum(_ x: Tensor, over group: any Communicator, at site: CollectiveSite) -> Tensor {
        if group.size == 1 { return x }
        var x = x
        run(.allReduce, elements: x.values.count, site) { () throws(CollectiveFailure) in
            unsafe try onValues(of: &x) { (values) throws(CollectiveFailure) in
                unsafe try group.allReduce(values, at: site)
            }
        }
        return x
    }

    /// The rows of all groups, `[shares.rowCount, width]`, of which this device has those of its own.
    ///
    /// The first device of each group sends; without shares all rows are here.
    package func gather(rows x: Tensor, of shares: RowShares?, at site: CollectiveSite) -> Tensor {
        guard let shares else { return x }
        precondition(
            x.rowCount == shares.count(of: plan.dataGroup),
            "\(x.rowCount) rows of \(shares), group \(plan.dataGroup)")
        let places = (0..<plan.layout.tensor).map { rank in
            let (group, member) = rank.quotientAndRemainder(dividingBy: plan.layout.attentionTensor)
            return member == 0 ? shares.elements(of: group, width: x.width) : []
        }
        let sends = plan.rank % plan.layout.attentionTensor == 0
        var whole = Tensor(zeros: [shares.rowCount, x.width])
        run(.allGather, elements: whole.values.count, site) { () throws(CollectiveFailure) in
            unsafe try onValues(of: &whole) { (whole) throws(CollectiveFailure) in
                unsafe try reading(sends ? x.values : []) { (part) throws(CollectiveFailure) in
                    unsafe try communicator.allGather(part, places: places, into: whole, at: site)
                }
            }
        }
        return whole
    }

    /// The sum of the devices' `x`, of the rows that this device's group serves; without shares, of all rows.
    package func sum(_ x: Tensor, scattered shares: RowShares?, at site: CollectiveSite) -> Tensor {
        guard let shares else { return sum(x, at: site) }
        precondition(x.rowCount == shares.rowCount, "\(x.rowCount) rows of \(shares)")
        var own = Tensor(zeros: [shares.count(of: plan.dataGroup), x.width])
        let pieces = shares.elements(of: plan.dataGroup, width: x.width)
        run(.reduceScatter, elements: x.values.count, site) { () throws(CollectiveFailure) in
            unsafe try onValues(of: &own) { (own) throws(CollectiveFailure) in
                unsafe try reading(x.values) { (whole) throws(CollectiveFailure) in
                    unsafe try communicator.reduceScatter(whole, pieces: pieces, into: own, at: site)
                }
            }
        }
        return own
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
            unsafe whole.withUnsafeMutableBufferPointer { whole in
                do throws(CollectiveFailure) {
                    unsafe try reading(values) { (part) throws(CollectiveFailure) in
                        unsafe try communicator.allGather(part, counts: counts, into: whole, at: site)
                    }
                } catch { failure = error }
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

    private func reading(
        _ values: [Float], _ body: (UnsafeBufferPointer<Float>) throws(CollectiveFailure) -> Void
    ) throws(CollectiveFailure) {
        var failure: CollectiveFailure?
        unsafe values.withUnsafeBufferPointer { values in
            do throws(CollectiveFailure) { unsafe try body(values) } catch { failure = error }
        }
        if let failure { throw failure }
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
