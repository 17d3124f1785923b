import CVector

/// How long before they are read weights are best asked for, tried out on the weights themselves.
///
/// It depends on what the processor asks for by itself, and on how its caches and memory are joined, which the same processor may
/// have in several ways: requests far ahead keep more of them under way, or get in the way of its own. Products of one token by
/// rows of one kind take turns with both distances, on a sample of all weights, and the usual distance stays unless the other is
/// clearly faster. No result depends on it.
package struct FetchTuning {
    /// A matrix as it lies in memory, rows one behind the other.
    // Sendable: constant, and nobody writes to the memory.
    package struct Matrix: @unchecked Sendable {
        let format: WeightView.Format
        let base: UnsafeRawPointer
        let rows: Int
        let columns: Int

        /// - Precondition: `base` has `rows` · `columns` elements, and lives longer than what is done with the matrix.
        package init(_ format: WeightView.Format, base: UnsafeRawPointer, rows: Int, columns: Int) {
            precondition(rows >= 0 && columns > 0, "\(rows) × \(columns)")
            self.format = format
            self.base = base
            self.rows = rows
            self.columns = columns
        }

        var rowBytes: Int { columns * format.size }
        var bytes: Int { rows * rowBytes }
    }

    /// The distances in bytes; each is the best on some processor.
    package static let near = 256, far = 2048
    /// Pairs of turns, one with each distance.
    private static let pairCount = 16
    /// Bytes of a turn, each of which is read once, so that they come from memory.
    private static let turnBytes = 4 << 20
    /// Bytes of a piece for one thread.
    private static let pieceBytes = 256 << 10
    /// Matrices beyond so many bytes are sampled.
    private static let sampleBytes = 1 << 30
    /// The share of the other's time that a distance must not exceed to take the place of the usual one: less than noise explains.
    private static let advantage = 0.97
    /// A turn that takes longer reads a disk, or something else has the processors.
    private static let longestTurn: UInt64 = 20_000_000

    /// Some rows of a matrix.
    fileprivate struct Piece {
        let matrix: Matrix
        let rows: Range<Int>
    }

    /// Rows of one format and width that are multiplied with one distance.
    package struct Turn: Sendable {
        fileprivate var pieces: [Piece] = []
        package fileprivate(set) var bytes = 0

        package var format: WeightView.Format { pieces[0].matrix.format }
        fileprivate var columns: Int { pieces[0].matrix.columns }
    }

    /// Rows of one format and width for every pair.
    private let pairs: [(first: Turn, second: Turn)]

    /// Takes a sample of `matrices`, of each format and width its part; nil where there are too few.
    ///
    /// - Parameter kernels: what is to multiply by them. What matrix registers multiply is left out: its requests are others.
    package init?(_ matrices: [Matrix], for kernels: Kernels) {
        var kinds: [[Matrix]] = []
        for matrix in matrices where !(kernels.multipliesMatrices && matrix.format == .bfloat16) {
            let kind = kinds.firstIndex {
                $0[0].format == matrix.format && $0[0].columns == matrix.columns
            }
            if let kind { kinds[kind].append(matrix) } else { kinds.append([matrix]) }
        }
        let every = max(1, kinds.joined().reduce(0) { $0 + $1.bytes } / FetchTuning.sampleBytes)
        let all = kinds.flatMap { kind in
            FetchTuning.pairs(of: stride(from: 0, to: kind.count, by: every).map { kind[$0] })
        }
        guard all.count >= FetchTuning.pairCount else { return nil }
        pairs = (0..<FetchTuning.pairCount).map { all[$0 * all.count / FetchTuning.pairCount] }
    }

    /// The rows of `matrices`, all of one kind, pair by pair; what fills no pair is left out.
    private static func pairs(of matrices: [Matrix]) -> [(first: Turn, second: Turn)] {
        var turns: [Turn] = []
        var turn = Turn()
        for matrix in matrices {
            let step = max(4, pieceBytes / matrix.rowBytes / 4 * 4)
            for start in stride(from: 0, to: matrix.rows, by: step) {
                let rows = start..<min(start + step, matrix.rows)
                turn.pieces.append(Piece(matrix: matrix, rows: rows))
                turn.bytes += rows.count * matrix.rowBytes
                if turn.bytes >= turnBytes {
                    turns.append(turn)
                    turn = Turn()
                }
            }
        }
        return (0..<turns.count / 2).map { (turns[2 * $0], turns[2 * $0 + 1]) }
    }

    /// The distance at which the threads of `pool` are to multiply: the usual one of `kernels`, unless another is clearly faster.
    package func fastest(_ kernels: Kernels, _ pool: ThreadPool) -> Int {
        // Whole groups of codes are read, the last one too.
        let columns = (pairs.reduce(0) { max($0, $1.first.columns) } + 63) / 64 * 64
        return withTemporaryLines(bytes: columns * 4) { memory in
            let token = memory.initializeMemory(as: Float.self, repeating: 0, count: columns)
            return fastest(usual: kernels.fetchDistance) { turn, distance in
                let kernels = kernels.fetching(ahead: distance)
                let start = monotonicNanoseconds()
                pool.parallel(turn.pieces.count) { index, scratch in
                    let piece = turn.pieces[index]
                    scratch.withFloats(piece.rows.count) { sums in
                        kernels.stream(piece.matrix, piece.rows, x: token, y: sums)
                    }
                }
                return monotonicNanoseconds() - start
            }
        }
    }

    /// The same where `time` tells the nanoseconds of a turn with a distance.
    package func fastest(usual: Int, _ time: (Turn, Int) -> UInt64) -> Int {
        var shares: [Double] = []
        for (number, pair) in pairs.enumerated() {
            // Each distance is the first as often as the second: what drifts harms neither.
            let nearFirst = number % 2 == 0
            let first = time(pair.first, nearFirst ? FetchTuning.near : FetchTuning.far)
            let second = time(pair.second, nearFirst ? FetchTuning.far : FetchTuning.near)
            guard max(first, second) <= FetchTuning.longestTurn else { return usual }
            let share =
                Double(max(1, first)) / Double(pair.first.bytes) / Double(max(1, second))
                * Double(pair.second.bytes)
            shares.append(nearFirst ? share : 1 / share)
        }
        return FetchTuning.choice(of: shares, usual: usual)
    }

    /// The distance that `shares` speak for, the times of `near` over those of `far`, in the median; `usual` where that is not clear.
    package static func choice(of shares: [Double], usual: Int) -> Int {
        let sorted = shares.sorted()
        // Of an even number both in the middle: drift makes one half of the shares too large and the other too small.
        let median = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        if median < advantage { return near }
        return median > 1 / advantage ? far : usual
    }
}

extension Kernels {
    /// Rows of `matrix` by one token, as numbers that nobody wants: the codes of FP8 without their scales.
    fileprivate func stream(
        _ matrix: FetchTuning.Matrix, _ rows: Range<Int>, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        var job = vector_product(
            weights: matrix.base + rows.lowerBound * matrix.rowBytes, row_bytes: matrix.rowBytes,
            rows: rows.count, columns: matrix.columns, scales: nil, block: 1, phase: 0, x: x, y: y, next: nil,
            ahead: fetchDistance, once: once)
        vectorProduct(matrix.format, &job)
    }
}
