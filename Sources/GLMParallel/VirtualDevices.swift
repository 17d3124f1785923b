/// Devices that are threads of this process, and meet in its memory.
///
/// A rank copies its part into memory that the group owns, and the last to come wakes the others; memory for two
/// exchanges in turn makes a second meeting unnecessary: a rank that begins the next exchange has read this one.
/// Whoever waits sleeps, so that eight devices on two processors take no time from one another.
package final class VirtualDevices: Sendable {
    private let meeting: Meeting
    package let size: Int

    /// - Parameters:
    ///   - count: devices of the group.
    ///   - timeout: how long a rank waits for the others before the group is given up.
    /// - Precondition: `count` is positive.
    package init(count: Int, timeout: Duration) {
        precondition(count > 0, "\(count) devices")
        size = count
        meeting = Meeting(size: count, timeout: timeout)
    }

    /// What the thread that plays device `rank` holds.
    package func device(_ rank: Int) -> VirtualDevice {
        precondition((0..<size).contains(rank), "device \(rank) of \(size)")
        return VirtualDevice(rank: rank, size: size, meeting: meeting)
    }
}

/// One of ``VirtualDevices``; used by one thread at a time.
package struct VirtualDevice: Communicator {
    package let rank: Int
    package let size: Int
    fileprivate let meeting: Meeting

    package func exchange(
        _ part: UnsafeBufferPointer<Float>, counts: [Int], _ collective: Collective, at site: CollectiveSite,
        _ body: ([UnsafeBufferPointer<Float>]) -> Void
    ) throws(CollectiveFailure) {
        precondition(
            counts.count == size && part.count == counts[rank], "\(part.count) values, counts \(counts)")
        let parts = unsafe try meeting.exchange(
            part, of: rank, Meeting.Call(collective: collective, site: site, counts: counts))
        unsafe body(parts)
    }

    package func abort(_ failure: CollectiveFailure) { meeting.abort(failure) }

    package func subgroup(_ ranks: Range<Int>) -> any Communicator {
        precondition(ranks.contains(rank), "device \(rank) is not among \(ranks)")
        if ranks.count == 1 { return SingleDevice() }
        if ranks.count == size { return self }
        return VirtualDevice(
            rank: rank - ranks.lowerBound, size: ranks.count, meeting: meeting.part(ranks))
    }
}

/// The state that the threads of a group share.
@safe
private final class Meeting: @unchecked Sendable {
    struct Call: Equatable {
        let collective: Collective
        let site: CollectiveSite
        let counts: [Int]
    }

    private let size: Int
    /// The number that the first rank has in messages.
    private let firstName: Int
    private let timeout: Duration
    private let condition = Condition()
    // All below is guarded by the condition's lock, except the memory: a rank writes its own before it arrives.
    private var exchanges = 0
    private var arrived: [Call?]
    private var arrivals = 0
    private var failure: CollectiveFailure?
    private let memory: [[PartMemory]]
    /// Meetings of some of the ranks.
    private var parts: [Range<Int>: Meeting] = [:]

    init(size: Int, timeout: Duration, firstName: Int = 0) {
        self.size = size
        self.firstName = firstName
        self.timeout = timeout
        arrived = [Call?](repeating: nil, count: size)
        memory = (0..<2).map { _ in (0..<size).map { _ in PartMemory() } }
    }

    /// The meeting of these ranks alone, the same for each of them.
    func part(_ ranks: Range<Int>) -> Meeting {
        condition.locked {
            let part =
                parts[ranks]
                ?? Meeting(
                    size: ranks.count, timeout: timeout, firstName: firstName + ranks.lowerBound)
            parts[ranks] = part
            return part
        }
    }

    func exchange(
        _ part: UnsafeBufferPointer<Float>, of rank: Int, _ call: Call
    ) throws(CollectiveFailure) -> [UnsafeBufferPointer<Float>] {
        // Nobody can begin an exchange before all have left the one before it: the number is this rank's own.
        let number = condition.locked { exchanges }
        let slots = memory[number % 2]
        unsafe slots[rank].write(part)
        let outcome = condition.locked { () -> CollectiveFailure? in
            if failure == nil { arrive(rank, call) }
            let deadline = call.site.isPatient ? nil : ContinuousClock.now + timeout
            while failure == nil && exchanges == number {
                if !condition.wait(until: deadline) && exchanges == number { giveUp(call) }
            }
            return exchanges > number ? nil : failure
        }
        if let outcome { throw outcome }
        return unsafe slots.map { unsafe $0.values }
    }

    private func arrive(_ rank: Int, _ call: Call) {
        arrived[rank] = call
        arrivals += 1
        if let other = arrived.firstIndex(where: { $0 != nil && $0 != call }), let there = arrived[other] {
            failure = CollectiveFailure(
                .disagreement(
                    rank: firstName + rank,
                    found: "\(call.collective.rawValue), \(call.site), \(call.counts)",
                    expected: "what rank \(firstName + other) does: \(there.counts)"), there.collective,
                at: there.site)
            condition.wakeAll()
        } else if arrivals == size {
            exchanges += 1
            arrivals = 0
            for rank in arrived.indices { arrived[rank] = nil }
            condition.wakeAll()
        }
    }

    private func giveUp(_ call: Call) {
        guard failure == nil else { return }
        let late = arrived.indices.filter { arrived[$0] == nil }.map { firstName + $0 }
        failure = CollectiveFailure(
            .late(ranks: late, seconds: timeout / .seconds(1)), call.collective, at: call.site)
        condition.wakeAll()
    }

    func abort(_ reason: CollectiveFailure) {
        let parts = condition.locked {
            failure = failure ?? reason
            condition.wakeAll()
            return self.parts
        }
        for part in parts.values { part.abort(reason) }
    }
}

/// Memory of one rank for one exchange; grows and never shrinks.
@safe
private final class PartMemory: @unchecked Sendable {
    private(set) var values = unsafe UnsafeBufferPointer<Float>(start: nil, count: 0)
    private var storage = unsafe UnsafeMutableBufferPointer<Float>(start: nil, count: 0)

    /// - Precondition: no other thread reads.
    func write(_ part: UnsafeBufferPointer<Float>) {
        if unsafe part.count > storage.count {
            unsafe storage.deallocate()
            unsafe storage = .allocate(capacity: part.count)
        }
        _ = unsafe storage.update(fromContentsOf: part)
        unsafe values = UnsafeBufferPointer(rebasing: storage.prefix(part.count))
    }

    deinit { unsafe storage.deallocate() }
}
