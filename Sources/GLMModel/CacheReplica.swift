import Synchronization

/// What stands, in a cache of the first device, for the same sequence's caches on the other devices of a group.
///
/// When its last owner is gone the others are told to drop theirs.
final class CacheReplica: Sendable {
    let id: UInt32
    private let dropped: DroppedCaches

    init(id: UInt32, dropped: DroppedCaches) {
        self.id = id
        self.dropped = dropped
    }

    deinit { dropped.append(id) }
}

/// Numbers of caches that nobody holds any more, until the other devices are told.
final class DroppedCaches: Sendable {
    private let ids = Mutex<[UInt32]>([])

    func append(_ id: UInt32) { ids.withLock { $0.append(id) } }

    /// All numbers, which are then forgotten here.
    func take() -> [UInt32] {
        ids.withLock { ids in
            defer { ids = [] }
            return ids
        }
    }
}

/// Something done to a cache between two forward passes.
enum CacheEdit: Sendable, Equatable {
    case truncate(Int)
    case compact(kept: [Int], base: Int)
}

extension SequenceCache {
    /// Does again what was done to another device's cache of the same sequence.
    mutating func apply(_ edits: [CacheEdit]) {
        for edit in edits {
            switch edit {
            case .truncate(let length): truncate(to: length)
            case .compact(let kept, let base): compact(keeping: kept, from: base)
            }
        }
    }
}
