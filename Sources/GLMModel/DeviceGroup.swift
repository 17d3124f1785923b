package import GLMKernels
package import GLMParallel

/// The devices of a group, seen from the first one: it decides what is done, and the others do it with it.
///
/// One forward pass at a time. The others get each command through the communicator, threads and processes alike; each
/// holds the caches of all sequences under their numbers.
final class DeviceGroup: Sendable {
    private let device: Device
    private let lock = Condition()
    private let register: CacheRegister
    private let state: State

    @safe
    private final class State: @unchecked Sendable {
        // Guarded by the group's lock.
        var isStopped = false
    }

    init(_ device: Device) {
        self.device = device
        register = CacheRegister(groups: device.plan.layout.data)
        state = State()
    }

    /// Runs `body` here, and `work` on all other devices.
    func lead<Result>(
        _ work: DeviceCommand.Work, caches: inout [SequenceCache], _ body: (inout [SequenceCache]) -> Result
    ) -> Result {
        lock.locked {
            var orders: [DeviceCommand.CacheOrder] = []
            for index in caches.indices { orders.append(order(&caches[index], isDraft: work.isDraft)) }
            device.send(DeviceCommand(work: work, caches: orders, dropped: register.takeDropped()))
            return body(&caches)
        }
    }

    /// The number under which the others know a cache, and what they have to do to it.
    private func order(_ cache: inout SequenceCache, isDraft: Bool) -> DeviceCommand.CacheOrder {
        defer { cache.edits = [] }
        if let replica = cache.replica, cache.isReplicaUnique() {
            return DeviceCommand.CacheOrder(
                id: replica.id, copyOf: nil, group: replica.group, edits: cache.edits)
        }
        let original = cache.replica
        precondition(original != nil || cache.length == 0, "a cache that was filled without its group")
        let replica = register.add(copyOf: original, isDraft: isDraft)
        cache.settle(in: replica.group, isKept: replica.group == device.plan.dataGroup)
        defer { cache.replica = replica }
        return DeviceCommand.CacheOrder(
            id: replica.id, copyOf: original?.id, group: replica.group, edits: cache.edits)
    }

    /// The reports of all devices, by rank.
    func reports(own: DeviceReport) -> [DeviceReport] {
        var none: [SequenceCache] = []
        return lead(.report, caches: &none) { _ in device.gather(own) }
    }

    /// Lets the others go; nothing can be led afterwards.
    func stop() {
        lock.locked {
            guard !state.isStopped else { return }
            state.isStopped = true
            device.send(DeviceCommand(work: .stop))
        }
    }
}

extension SequenceCache {
    /// Whether no other value stands for the same caches of other devices.
    fileprivate mutating func isReplicaUnique() -> Bool { isKnownUniquelyReferenced(&replica) }
}

/// What a device has done so far.
package struct DeviceReport: Sendable, Equatable {
    package let traffic: [TrafficLedger.Entry]
    /// Bytes and operations of its passes; none without a profile.
    package let work: Work

    var words: [UInt32] {
        [work.bytes, work.operations].flatMap {
            [UInt32(truncatingIfNeeded: $0), UInt32(truncatingIfNeeded: $0 >> 32)]
        }
            + traffic.flatMap(\.words)
    }

    init(traffic: [TrafficLedger.Entry], work: Work) {
        self.traffic = traffic
        self.work = work
    }

    init(words: [UInt32]) {
        work = Work(
            bytes: Int(words[0]) | Int(words[1]) << 32, operations: Int(words[2]) | Int(words[3]) << 32)
        traffic = TrafficLedger.Entry.entries(Array(words.dropFirst(4)))
    }
}

// Commands and reports are of any length; collectives are of a length that all devices know.
extension Device {
    /// Words of a command that travel with its length.
    private static let firstWords = 255

    /// Tells the other devices what to do.
    func send(_ command: DeviceCommand) {
        let words = command.words
        let first = [UInt32(words.count)] + words.prefix(Device.firstWords)
        let padding = [UInt32](repeating: 0, count: Device.firstWords + 1 - first.count)
        _ = broadcast(first + padding, at: CollectiveSite(.command))
        guard words.count > Device.firstWords else { return }
        _ = broadcast(Array(words.dropFirst(Device.firstWords)), at: CollectiveSite(.command))
    }

    /// Waits for what the first device wants done.
    func receive() -> DeviceCommand {
        let first = broadcast(
            [UInt32](repeating: 0, count: Device.firstWords + 1), at: CollectiveSite(.command))
        let count = Int(first[0])
        var words = Array(first[1...Swift.min(count, Device.firstWords)])
        if count > Device.firstWords {
            words += broadcast(
                [UInt32](repeating: 0, count: count - Device.firstWords), at: CollectiveSite(.command))
        }
        return DeviceCommand(words: words)
    }

    /// Every device's report, on every device.
    func gather(_ report: DeviceReport) -> [DeviceReport] {
        let site = CollectiveSite(.report)
        let words = report.words
        let counts = gather(
            [Float(bitPattern: UInt32(words.count))],
            counts: [Int](repeating: 1, count: communicator.size), at: site
        ).map { Int($0.bitPattern) }
        var all = gather(words.map { Float(bitPattern: $0) }, counts: counts, at: site)[...]
        return counts.map { count in
            defer { all = all.dropFirst(count) }
            return DeviceReport(words: all.prefix(count).map(\.bitPattern))
        }
    }
}
