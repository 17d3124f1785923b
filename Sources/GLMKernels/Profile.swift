import Synchronization

/// Where the time of forward passes goes: a stopwatch whose laps are named after operations.
///
/// A lap takes all time since the lap before it, so nothing between the first and the last is lost, and all
/// work reported meanwhile. Knows no model: operations and phases are words. One forward pass at a time.
public final class Profile: Sendable {
    /// What a lap is entered under.
    public struct Key: Hashable, Sendable {
        /// Kind of forward pass, such as `prefill` or `decode`.
        public var phase: String
        /// Layer number; nil outside the layers.
        public var layer: Int?
        /// Name of the operation.
        public var operation: String

        /// One operation of one layer in one kind of pass.
        public init(phase: String, layer: Int?, operation: String) {
            self.phase = phase
            self.layer = layer
            self.operation = operation
        }
    }

    /// All laps of one key together.
    public struct Entry: Sendable, Equatable {
        /// What was done.
        public let key: Key
        /// How often.
        public var laps = 0
        /// For how long.
        public var nanoseconds: UInt64 = 0
        /// How much.
        public var work = Work.none
    }

    /// Forward passes of one kind.
    public struct Phase: Sendable, Equatable {
        /// As in the keys.
        public let name: String
        /// Forward passes.
        public var passes = 0
        /// Rows of all of them together.
        public var tokens = 0
    }

    private struct State {
        var entries: [Entry] = []
        var places: [Key: Int] = [:]
        var phases: [Phase] = []
        var phase = ""
        var last: UInt64 = 0
        var pending = Work.none
        var total = Work.none
    }

    private let state = Mutex(State())
    /// Nil where work alone is counted.
    private let clock: (@Sendable () -> UInt64)?

    /// A profile of the monotonic clock.
    /// - Parameter laps: false to count work alone, in one sum: nothing is timed, and `entries` and `phases` stay empty.
    public convenience init(laps: Bool = true) {
        let clock: @Sendable () -> UInt64 = { monotonicNanoseconds() }
        self.init(optional: laps ? clock : nil)
    }

    /// A profile of any clock that counts nanoseconds and does not run backwards.
    public convenience init(clock: @escaping @Sendable () -> UInt64) { self.init(optional: clock) }

    private init(optional clock: (@Sendable () -> UInt64)?) { self.clock = clock }

    /// Starts the stopwatch for a forward pass of `tokens` rows.
    public func begin(_ phase: String, tokens: Int) {
        guard let now = clock?() else { return }
        state.withLock { state in
            let place = state.phases.firstIndex { $0.name == phase } ?? state.phases.count
            if place == state.phases.count { state.phases.append(Phase(name: phase)) }
            state.phases[place].passes += 1
            state.phases[place].tokens += tokens
            state.phase = phase
            state.last = now
            state.pending = .none
        }
    }

    /// Enters the time and the work since `begin` or the lap before under `operation`.
    public func lap(_ operation: String, layer: Int?) {
        guard let now = clock?() else { return }
        state.withLock { state in
            let key = Key(phase: state.phase, layer: layer, operation: operation)
            let place = state.places[key] ?? state.entries.count
            if place == state.entries.count {
                state.places[key] = place
                state.entries.append(Entry(key: key))
            }
            state.entries[place].laps += 1
            state.entries[place].nanoseconds += now - state.last
            state.entries[place].work += state.pending
            state.total += state.pending
            state.pending = .none
            state.last = now
        }
    }

    /// Work that the next lap takes.
    public func add(_ work: Work) {
        let hasLaps = clock != nil
        state.withLock { state in
            if hasLaps { state.pending += work } else { state.total += work }
        }
    }

    /// Everything entered so far, in the order of first appearance.
    public var entries: [Entry] { state.withLock { $0.entries } }
    /// Forward passes so far, by kind.
    public var phases: [Phase] { state.withLock { $0.phases } }
    /// Work of all laps so far; without laps, all work.
    public var work: Work { state.withLock { $0.total } }

    /// Forgets everything.
    public func reset() { state.withLock { $0 = State() } }
}
