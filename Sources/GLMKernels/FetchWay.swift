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

/// How weights that meet one token are asked for, by their format: four streams of FP8 codes end where their scales change, others
/// with their piece.
package struct FetchWays: Sendable, Equatable {
    /// FP8.
    package var codes: FetchWay
    /// F32 and BF16, which are numbers as they stand.
    package var numbers: FetchWay

    /// - Parameters:
    ///   - codes: for FP8.
    ///   - numbers: for F32 and BF16.
    package init(codes: FetchWay, numbers: FetchWay) {
        self.codes = codes
        self.numbers = numbers
    }

    /// All weights in one way.
    package init(_ way: FetchWay) { self.init(codes: way, numbers: way) }

    /// The way of weights of `format`; setting it sets that of all formats that share it.
    package subscript(_ format: WeightView.Format) -> FetchWay {
        get { format == .float8E4M3 ? codes : numbers }
        set { if format == .float8E4M3 { codes = newValue } else { numbers = newValue } }
    }
}

extension Kernels {
    /// How weights are asked for that meet several tokens, or y as it grows row by row, which the nearest cache is to keep. Where
    /// requests pass the second-level cache, they fill the nearest. Elsewhere they go into every cache, whatever is best for one
    /// token: nothing else was measured there.
    package func fetchWayOfSeveral(_ format: WeightView.Format) -> FetchWay {
        if fetchesOnce { return .secondLevel }
        return fetchWays[format] == .secondLevel ? .far : fetchWays[format]
    }

    /// Bytes that requests run ahead of four neighbouring rows of codes that are read as one stream; 0 where rows a quarter apart
    /// make four, as in loops of fewer registers. Codes are streamed in stretches of 128 rows, and a stream of 32 ends before the
    /// processor has noticed it; one of all has less to notice, and requests that lie side by side.
    ///
    /// - Parameter rowBytes: from one row to the next; nil where something lies between them.
    package func aheadOfFour(_ format: WeightView.Format, rowBytes: Int?) -> Int {
        guard format == .float8E4M3, vectors == .avx512, fetchesOnce, let rowBytes else { return 0 }
        let distance = 8192
        switch fetchWays.codes {
        case .near: return 0
        // The next four rows and those behind them are under way: wider ones leave the nearest cache too little room.
        case .far: return rowBytes <= distance / 8 ? distance : 0
        // As far behind the four that are being read as four streams would be asked for, as long as that is a small part of the cache.
        case .secondLevel:
            return rowBytes <= 32768 ? max(distance, 4 * rowBytes + FetchWay.secondLevel.distance) : 0
        }
    }

    /// Where requests put lines, as the loops take it.
    package func cache(_ way: FetchWay) -> Int32 { way == .secondLevel ? 2 : fetchesOnce ? 1 : 0 }
}
