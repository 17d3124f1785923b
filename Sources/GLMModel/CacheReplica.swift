import Synchronization

/// What stands, in a cache of the first device, for the same sequence's caches on the other devices of a group.
///
/// When its last owner is gone the others are told to drop theirs.
final class CacheReplica: Sendable {
    let id: UInt32
    /// What it is counted as.
    fileprivate let load: CacheRegister.Load
    private let register: CacheRegister

    fileprivate init(id: UInt32, load: CacheRegister.Load, register: CacheRegister) {
        self.id = id
        self.load = load
        self.register = register
    }

    /// The group of devices that serves the sequence.
    var group: Int { load.group }

    deinit { register.drop(self) }
}

/// The caches of a group of devices: which are held, by which group of a data-parallel attention, and which nobody holds
/// any more until the other devices are told.
final class CacheRegister: Sendable {
    /// What a cache counts as where groups are compared: drafts are made in passes of their own.
    fileprivate struct Load: Hashable {
        let group: Int
        let isDraft: Bool
    }

    private struct State {
        var next: UInt32 = 0
        var held: [Load: Int] = [:]
        var dropped: [UInt32] = []
    }

    private let groups: Int
    private let state = Mutex(State())

    /// - Parameter groups: groups of devices that serve sequences of their own.
    init(groups: Int) { self.groups = groups }

    /// A new cache: of the group that its original is of, else of the one with the fewest, the lower one at a tie.
    func add(copyOf original: CacheReplica?, isDraft: Bool) -> CacheReplica {
        let (id, load) = state.withLock { state -> (UInt32, Load) in
            let loads = (0..<groups).map { Load(group: $0, isDraft: isDraft) }
            let least = loads.min { (state.held[$0] ?? 0, $0.group) < (state.held[$1] ?? 0, $1.group) }
            let load = original?.load ?? least ?? Load(group: 0, isDraft: isDraft)
            state.held[load, default: 0] += 1
            defer { state.next += 1 }
            return (state.next, load)
        }
        return CacheReplica(id: id, load: load, register: self)
    }

    fileprivate func drop(_ replica: CacheReplica) {
        state.withLock { state in
            state.held[replica.load, default: 0] -= 1
            state.dropped.append(replica.id)
        }
    }

    /// The numbers of caches that nobody holds, which are then forgotten here.
    func takeDropped() -> [UInt32] {
        state.withLock { state in
            defer { state.dropped = [] }
            return state.dropped
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
