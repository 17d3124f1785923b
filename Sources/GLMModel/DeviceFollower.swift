import GLMParallel

/// A device that does what the first of its group says, until it is told to stop.
struct DeviceFollower {
    private let model: LanguageModel
    private var caches: [UInt32: SequenceCache] = [:]

    init(_ model: LanguageModel) { self.model = model }

    mutating func run() {
        while perform(model.device.receive()) {}
    }

    /// False for the last command.
    private mutating func perform(_ command: DeviceCommand) -> Bool {
        let model = model
        switch command.work {
        case .trunk(let steps):
            extend(command.caches, empty: model.makeCache()) { caches in
                _ = model.forward(steps, caches: &caches)
            }
        case .draft(let steps):
            extend(command.caches, empty: model.makeDraftCache()) { caches in
                _ = model.draft(steps, caches: &caches)
            }
        case .report: _ = model.device.gather(model.ownReport)
        case .stop: return false
        }
        for id in command.dropped { caches[id] = nil }
        return true
    }

    private mutating func extend(
        _ orders: [DeviceCommand.CacheOrder], empty: SequenceCache, _ body: (inout [SequenceCache]) -> Void
    ) {
        // Taken out of the dictionary: a second owner would make pages be copied.
        var extended = orders.map { order in
            var cache = order.copyOf.flatMap { caches[$0] } ?? caches.removeValue(forKey: order.id) ?? empty
            cache.settle(in: order.group, isKept: order.group == model.device.plan.dataGroup)
            cache.apply(order.edits)
            return cache
        }
        body(&extended)
        for (order, cache) in zip(orders, extended) { caches[order.id] = cache }
    }
}
