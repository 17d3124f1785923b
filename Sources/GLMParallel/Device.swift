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
        return unsafe receive(x.shape, from: x.values, .allReduce, elements: x.values.count, site) {
            (part, sum) throws(CollectiveFailure) in
            unsafe try group.allReduce(part, into: sum, at: site)
        }
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
        let shape = [shares.rowCount, x.width]
        return unsafe receive(
            shape, from: sends ? x.values : [], .allGather, elements: shares.rowCount * x.width, site
        ) { (part, whole) throws(CollectiveFailure) in
            unsafe try communicator.allGather(part, places: places, into: whole, at: site)
        }
    }

    /// The sum of the devices' `x`, of the rows that this device's group serves; without shares, of all rows.
    package func sum(_ x: Tensor, scattered shares: RowShares?, at site: CollectiveSite) -> Tensor {
        guard let shares else { return sum(x, at: site) }
        precondition(x.rowCount == shares.rowCount, "\(x.rowCount) rows of \(shares)")
        let pieces = (0..<plan.layout.tensor).map { rank in
            shares.elements(of: rank / plan.layout.attentionTensor, width: x.width)
        }
        let shape = [shares.count(of: plan.dataGroup), x.width]
        return unsafe receive(shape, from: x.values, .reduceScatter, elements: x.values.count, site) {
            (whole, own) throws(CollectiveFailure) in
            unsafe try communicator.reduceScatter(whole, pieces: pieces, into: own, at: site)
        }
    }

    /// The devices' columns side by side, `[rows, Σ columns]`: all have as many.
    package func beside(_ x: Tensor, at site: CollectiveSite) -> Tensor {
        if isAlone { return x }
        let (rows, width, devices) = (x.rowCount, x.width, communicator.size)
        let places = (0..<devices).map { device in
            (0..<rows).map { row in
                (row * devices + device) * width..<(row * devices + device + 1) * width
            }
        }
        return unsafe receive(
            [rows, devices * width], from: x.values, .allGather, elements: devices * x.values.count, site
        ) { (part, whole) throws(CollectiveFailure) in
            unsafe try communicator.allGather(part, places: places, into: whole, at: site)
        }
    }

    /// All devices' values, one behind the other.
    package func gather(_ values: [Float], counts: [Int], at site: CollectiveSite) -> [Float] {
        let count = counts.reduce(0, +)
        return unsafe receive([count], from: values, .allGather, elements: count, site) {
            (part, whole) throws(CollectiveFailure) in
            unsafe try communicator.allGather(part, counts: counts, into: whole, at: site)
        }.values
    }

    /// Returns when every device has come.
    package func meet(at site: CollectiveSite) {
        run(.barrier, elements: 0, site) { () throws(CollectiveFailure) in try communicator.barrier(at: site)
        }
    }

    /// The words of the first device on every device; all give as many.
    package func broadcast(_ words: [UInt32], at site: CollectiveSite) -> [UInt32] {
        let values = words.map { Float(bitPattern: $0) }
        return unsafe receive([words.count], from: values, .broadcast, elements: words.count, site) {
            (part, whole) throws(CollectiveFailure) in
            _ = unsafe whole.update(fromContentsOf: part)
            unsafe try communicator.broadcast(whole, from: 0, at: site)
        }.values.map(\.bitPattern)
    }

    /// What `body` makes of this device's part and the others': all values of the tensor.
    private func receive(
        _ shape: [Int], from part: [Float], _ collective: Collective, elements: Int, _ site: CollectiveSite,
        _ body: (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) throws(CollectiveFailure) ->
            Void
    ) -> Tensor {
        let count = shape.reduce(1, *)
        let values = unsafe [Float](unsafeUninitializedCapacity: count) { whole, initialized in
            unsafe part.withUnsafeBufferPointer { part in
                run(collective, elements: elements, site) { () throws(CollectiveFailure) in
                    unsafe try body(part, UnsafeMutableBufferPointer(rebasing: whole.prefix(count)))
                }
            }
            initialized = count
        }
        return Tensor(shape: shape, values: values)
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
}
