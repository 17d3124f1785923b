internal import Synchronization

/// The memory in which the threads of a group meet.
///
/// What is exchanged is copied into memory that the group owns; memory for two exchanges in turn makes a second meeting
/// unnecessary: a rank that begins the next exchange has read this one.
///
/// What is added stays where it is: its owner sleeps until the sum is made. The sum is made once, in strips: by the last
/// to come, and by others as they wake when there is more than one. Every rank that begins the next meeting has read it.
@safe
final class Meeting: @unchecked Sendable {
    struct Call: Equatable {
        let collective: Collective
        let site: CollectiveSite
        let counts: [Int]
    }

    /// Elements of a sum that one thread makes at a time: below that, waking another takes longer.
    private static let strip = 16_384

    private let size: Int
    /// The number that the first rank has in messages.
    private let firstName: Int
    private let timeout: Duration
    private let condition = Condition()
    /// Meetings that are over. Nobody can begin one before all have left the one before it, so a rank that has not
    /// arrived yet reads its own number here.
    private let meetings = Atomic<Int>(0)
    // All below is guarded by the condition's lock, except the memory: a rank writes its own before it arrives.
    private var arrived: [Call?]
    private var arrivals = 0
    private var failure: CollectiveFailure?
    private let memory: [[PartMemory]]
    private var summands: [UnsafeBufferPointer<Float>]
    private let sum = PartMemory()
    /// Strips of the sum that nobody has begun, and those that somebody is making.
    private var strips = 0..<0
    private var busy = 0
    /// Meetings of some of the ranks.
    private var parts: [Range<Int>: Meeting] = [:]

    init(size: Int, timeout: Duration, firstName: Int = 0) {
        self.size = size
        self.firstName = firstName
        self.timeout = timeout
        arrived = [Call?](repeating: nil, count: size)
        memory = (0..<2).map { _ in (0..<size).map { _ in PartMemory() } }
        unsafe summands = (0..<size).map { _ in unsafe UnsafeBufferPointer(start: nil, count: 0) }
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

    /// What all ranks brought, until this rank comes again.
    func exchange(
        _ part: UnsafeBufferPointer<Float>, of rank: Int, _ call: Call
    ) throws(CollectiveFailure) -> [UnsafeBufferPointer<Float>] {
        let number = meetings.load(ordering: .acquiring)
        let slots = memory[number % 2]
        unsafe slots[rank].write(part)
        let isLast = condition.locked { arrive(rank, call) }
        if isLast { finish() }
        try wait(number, call)
        return unsafe slots.map { unsafe $0.values }
    }

    /// The sum of all ranks' parts, until this rank comes again.
    func add(
        _ part: UnsafeBufferPointer<Float>, of rank: Int, _ call: Call
    ) throws(CollectiveFailure) -> UnsafeBufferPointer<Float> {
        let number = meetings.load(ordering: .acquiring)
        let work = condition.locked {
            unsafe summands[rank] = part
            guard arrive(rank, call) else { return 0 }
            sum.reserve(part.count)
            strips = 0..<max(1, (part.count + Meeting.strip - 1) / Meeting.strip)
            return strips.count
        }
        if work > 1 { condition.wakeAll() }
        if work > 0 { while makeStrip() {} }
        try wait(number, call)
        return unsafe sum.values
    }

    /// Makes a strip of the sum that nobody has begun; false when there is none.
    private func makeStrip() -> Bool {
        let strip = condition.locked { () -> Int? in
            guard failure == nil, let first = strips.popFirst() else { return nil }
            busy += 1
            return first
        }
        guard let strip else { return false }
        let first = strip * Meeting.strip
        let range = unsafe first..<min(first + Meeting.strip, sum.values.count)
        unsafe addInOrder(
            summands.map { unsafe UnsafeBufferPointer(rebasing: $0[range]) }, into: sum.strip(range))
        let isLast = condition.locked {
            busy -= 1
            return busy == 0 && (strips.isEmpty || failure != nil)
        }
        if isLast { finish() }
        return true
    }

    /// Sleeps until meeting `number` is over, and makes strips when there are some.
    private func wait(_ number: Int, _ call: Call) throws(CollectiveFailure) {
        if meetings.load(ordering: .acquiring) > number { return }
        let deadline = call.site.isPatient ? nil : ContinuousClock.now + timeout
        while true {
            let outcome = condition.locked { () -> Result<Bool, CollectiveFailure> in
                while meetings.load(ordering: .relaxed) == number, strips.isEmpty || failure != nil {
                    // Nobody leaves while another may read what he brought.
                    if let failure, busy == 0 { return .failure(failure) }
                    if !condition.wait(until: busy == 0 ? deadline : nil) { giveUp(number, call) }
                }
                return .success(meetings.load(ordering: .relaxed) > number)
            }
            if try outcome.get() { return }
            while makeStrip() {}
        }
    }

    /// Ends a meeting that all have come to, and wakes them.
    private func finish() {
        condition.locked {
            guard failure == nil else { return }
            for rank in arrived.indices { arrived[rank] = nil }
            arrivals = 0
            meetings.add(1, ordering: .releasing)
        }
        condition.wakeAll()
    }

    /// Whether this rank is the last to come, and all came for the same.
    private func arrive(_ rank: Int, _ call: Call) -> Bool {
        if failure != nil { return false }
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
            return false
        }
        return arrivals == size
    }

    private func giveUp(_ number: Int, _ call: Call) {
        let late = arrived.indices.filter { arrived[$0] == nil }.map { firstName + $0 }
        guard failure == nil, meetings.load(ordering: .relaxed) == number, !late.isEmpty else { return }
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

/// Memory of one rank for one exchange, or of a sum; grows and never shrinks.
@safe
private final class PartMemory: @unchecked Sendable {
    private(set) var values = unsafe UnsafeBufferPointer<Float>(start: nil, count: 0)
    private var storage = unsafe UnsafeMutableBufferPointer<Float>(start: nil, count: 0)

    /// Makes room for `count` values, whose contents are not defined.
    /// - Precondition: no other thread reads.
    func reserve(_ count: Int) {
        if unsafe count > storage.count {
            unsafe storage.deallocate()
            unsafe storage = .allocate(capacity: count)
        }
        unsafe values = UnsafeBufferPointer(rebasing: storage.prefix(count))
    }

    /// - Precondition: no other thread reads.
    func write(_ part: UnsafeBufferPointer<Float>) {
        reserve(part.count)
        // Nothing has no address.
        if !part.isEmpty { _ = unsafe storage.update(fromContentsOf: part) }
    }

    /// Some of the values, for one thread to write.
    func strip(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        unsafe UnsafeMutableBufferPointer(rebasing: storage[range])
    }

    deinit { unsafe storage.deallocate() }
}
