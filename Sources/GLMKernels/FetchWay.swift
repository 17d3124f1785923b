import Synchronization

/// How weights are asked for before they are read. Each way is the best on some processor, or in some state of its memory; no
/// result depends on it.
package enum FetchWay: Int, CaseIterable, Sendable, AtomicRepresentable {
    /// A little ahead: the processor asks by itself for what lies further on.
    case near
    /// So far ahead that memory has the time to answer.
    case far
    /// Further still, but no nearer than into the second-level cache: the nearest keeps its room for activations.
    case secondLevel

    /// Bytes that requests run ahead in each of four streams.
    package var distance: Int {
        switch self {
        case .near: 256
        case .far: 2048
        case .secondLevel: 4096
        }
    }
}

extension Kernels {
    /// How weights are asked for that meet several tokens, or y as it grows row by row, which the nearest cache is to keep. Where
    /// requests pass the second-level cache, they fill the nearest. Elsewhere they go into every cache, whatever is best for one
    /// token: nothing else was measured there.
    package var fetchWayOfSeveral: FetchWay {
        if fetchesOnce { return .secondLevel }
        return fetchWay == .secondLevel ? .far : fetchWay
    }

    /// Where requests put lines, as the loops take it.
    package func cache(_ way: FetchWay) -> Int32 { way == .secondLevel ? 2 : fetchesOnce ? 1 : 0 }
}
