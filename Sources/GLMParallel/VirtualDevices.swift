/// Devices that are threads of this process, and meet in its memory.
///
/// Whoever waits sleeps, so that eight devices on two processors take no time from one another; the last to come wakes
/// the others.
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
        let call = Meeting.Call(collective: collective, site: site, counts: counts)
        let parts = unsafe try meeting.exchange(part, of: rank, call)
        unsafe body(parts)
    }

    package func add(
        _ part: UnsafeBufferPointer<Float>, pieces: [[Range<Int>]],
        into share: UnsafeMutableBufferPointer<Float>, _ collective: Collective, at site: CollectiveSite
    ) throws(CollectiveFailure) {
        let counts = pieces.map { $0.reduce(0) { $0 + $1.count } }
        precondition(
            pieces.count == size && share.count == counts[rank], "\(share.count) values, counts \(counts)")
        let call = Meeting.Call(collective: collective, site: site, counts: [part.count] + counts)
        let sum = unsafe try meeting.add(part, of: rank, call)
        unsafe copy(pieces[rank], of: sum, to: share)
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
