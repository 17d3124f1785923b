import CVector

/// How weights are best asked for before they are read, tried out on the weights themselves.
///
/// It depends on what the processor asks for by itself, and on how its caches and memory are joined, which the same processor may
/// have in several ways: requests far ahead keep more of them under way, or get in the way of its own. Products of one token by
/// rows of one kind take turns in every way, on a sample of all weights, codes by themselves; the usual way stays unless another is
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

    /// Rounds of turns, one in each way: a multiple of the six orders, so that what drifts harms no way.
    private static let roundCount = 18
    /// Bytes of a turn, each of which is read once, so that they come from memory.
    private static let turnBytes = 4 << 20
    /// Bytes of a piece for one thread.
    private static let pieceBytes = 256 << 10
    /// Rows of codes that share their scales and are streamed by themselves: whole such blocks make a piece, like the engine's.
    fileprivate static let codeRows = 128
    /// Matrices beyond so many bytes are sampled.
    private static let sampleBytes = 1 << 30
    /// The share of the usual way's time that another must stay below to take its place: less than noise explains.
    private static let advantage = 0.97
    /// A turn that takes longer reads a disk, or something else has the processors.
    private static let longestTurn: UInt64 = 20_000_000

    /// Some rows of a matrix.
    fileprivate struct Piece {
        let matrix: Matrix
        let rows: Range<Int>
    }

    /// Rows of one format and width that are multiplied in one way.
    package struct Turn: Sendable {
        fileprivate var pieces: [Piece] = []
        package fileprivate(set) var bytes = 0

        package var format: WeightView.Format { pieces[0].matrix.format }
        fileprivate var columns: Int { pieces[0].matrix.columns }
    }

    /// Turns with rows of one format and width, one for each way.
    private typealias Round = [Turn]
    /// Those of codes and those of other weights; none of what there is too little.
    private let trials: [[Round]]

    /// Takes a sample of `matrices`, of each format and width its part; nil where there are too few of codes and too few others.
    ///
    /// - Parameter kernels: what is to multiply by them. What matrix registers multiply is left out: its requests are others.
    package init?(_ matrices: [Matrix], for kernels: Kernels) {
        let streamed = matrices.filter { !(kernels.multipliesMatrices && $0.format == .bfloat16) }
        trials = [
            FetchTuning.trial(streamed.filter { $0.format == .float8E4M3 }),
            FetchTuning.trial(streamed.filter { $0.format != .float8E4M3 }),
        ].filter { !$0.isEmpty }
        if trials.isEmpty { return nil }
    }

    /// The rounds that try these matrices out; none where they are too few.
    private static func trial(_ matrices: [Matrix]) -> [Round] {
        var kinds: [[Matrix]] = []
        for matrix in matrices {
            let kind = kinds.firstIndex {
                $0[0].format == matrix.format && $0[0].columns == matrix.columns
            }
            if let kind { kinds[kind].append(matrix) } else { kinds.append([matrix]) }
        }
        let every = max(1, matrices.reduce(0) { $0 + $1.bytes } / sampleBytes)
        let all = kinds.flatMap { kind in
            rounds(of: stride(from: 0, to: kind.count, by: every).map { kind[$0] })
        }
        guard all.count >= roundCount else { return [] }
        return (0..<roundCount).map { all[$0 * all.count / roundCount] }
    }

    /// The rows of `matrices`, all of one kind, round by round; what fills no round is left out.
    private static func rounds(of matrices: [Matrix]) -> [Round] {
        var turns: [Turn] = []
        var turn = Turn()
        for matrix in matrices {
            let unit = matrix.format == .float8E4M3 ? codeRows : 4
            let step = max(unit, pieceBytes / matrix.rowBytes / unit * unit)
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
        let width = FetchWay.allCases.count
        return (0..<turns.count / width).map { Array(turns[$0 * width..<($0 + 1) * width]) }
    }

    /// The ways in which the threads of `pool` are to multiply: the usual ones of `kernels`, unless others are clearly faster.
    ///
    /// - Parameter arithmetic: of the products: in Float32 codes may be read as one stream.
    package func fastest(
        _ kernels: Kernels, _ pool: ThreadPool, arithmetic: ProductArithmetic = .float32
    ) -> FetchWays {
        // Whole groups of codes are read, the last one too.
        let columns = (trials.joined().reduce(0) { max($0, $1[0].columns) } + 63) / 64 * 64
        return withTemporaryLines(bytes: columns * 4) { memory in
            let token = memory.initializeMemory(as: Float.self, repeating: 0, count: columns)
            return fastest(usual: kernels.fetchWays) { turn, way in
                let kernels = kernels.fetching(FetchWays(way))
                let start = monotonicNanoseconds()
                pool.parallel(turn.pieces.count) { index, scratch in
                    let piece = turn.pieces[index]
                    scratch.withFloats(piece.rows.count) { sums in
                        kernels.stream(piece.matrix, piece.rows, arithmetic, x: token, y: sums)
                    }
                }
                return monotonicNanoseconds() - start
            }
        }
    }

    /// The same where `time` tells the nanoseconds of a turn in some way.
    package func fastest(usual: FetchWays, _ time: (Turn, FetchWay) -> UInt64) -> FetchWays {
        var ways = usual
        for rounds in trials {
            let format = rounds[0][0].format
            ways[format] = FetchTuning.fastest(rounds, usual: usual[format], time)
        }
        return ways
    }

    /// The fastest way of the rounds of one trial.
    private static func fastest(
        _ rounds: [Round], usual: FetchWay, _ time: (Turn, FetchWay) -> UInt64
    ) -> FetchWay {
        var costs = FetchWay.allCases.map { _ in [Double]() }
        for (number, round) in rounds.enumerated() {
            for (turn, way) in zip(round, order(number)) {
                let nanoseconds = time(turn, way)
                guard nanoseconds <= longestTurn else { return usual }
                costs[way.rawValue].append(Double(max(1, nanoseconds)) / Double(turn.bytes))
            }
        }
        return choice(of: costs, usual: usual)
    }

    /// The ways in the order of a round: in six rounds each comes before each other as often as behind it, at every distance.
    private static func order(_ round: Int) -> [FetchWay] {
        let ways = FetchWay.allCases
        let turned = ways.indices.map { ways[($0 + round) % ways.count] }
        return round % 2 == 0 ? turned : turned.reversed()
    }

    /// The way whose `costs`, one for each round, are the least share of the usual one's, in the median; `usual` where that is not
    /// clear.
    package static func choice(of costs: [[Double]], usual: FetchWay) -> FetchWay {
        var (best, least) = (usual, advantage)
        for way in FetchWay.allCases where way != usual {
            let shares = zip(costs[way.rawValue], costs[usual.rawValue]).map { $0 / $1 }.sorted()
            // Of an even number both in the middle: drift makes one half of the shares too large and the other too small.
            let median = (shares[(shares.count - 1) / 2] + shares[shares.count / 2]) / 2
            if median < least { (best, least) = (way, median) }
        }
        return best
    }
}

extension Kernels {
    /// Rows of `matrix` by one token, as numbers that nobody wants: the codes of FP8 without their scales.
    fileprivate func stream(
        _ matrix: FetchTuning.Matrix, _ rows: Range<Int>, _ arithmetic: ProductArithmetic,
        x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        let step = matrix.format == .float8E4M3 ? FetchTuning.codeRows : rows.count
        let way = fetchWays[matrix.format]
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
            var job = vector_product(
                weights: matrix.base + start * matrix.rowBytes, row_bytes: matrix.rowBytes,
                rows: min(step, rows.upperBound - start), columns: matrix.columns, scales: nil, block: 1,
                phase: 0, x: x, y: y, next: nil, ahead: way.distance, cache: cache(way),
                ahead_of_four: arithmetic == .float32
                    ? aheadOfFour(matrix.format, rowBytes: matrix.rowBytes) : 0)
            vectorProduct(matrix.format, &job)
        }
    }
}
