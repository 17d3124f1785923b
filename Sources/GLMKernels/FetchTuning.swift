import CVector

/// How long before they are read weights are best asked for, tried out on the weights themselves.
///
/// It depends on what the processor asks for by itself, and on how its caches and memory are joined, which the same processor may
/// have in several ways: requests far ahead keep more of them under way, or get in the way of its own. Products of one token
/// take turns with each distance, and the usual one stays unless another is clearly faster. No result depends on it.
package struct FetchTuning {
    /// A matrix as it lies in memory, rows one behind the other.
    package struct Matrix: Sendable {
        let format: WeightView.Format
        let base: UInt
        let rows: Int
        let columns: Int

        /// - Precondition: `base` has `rows` · `columns` elements.
        package init(_ format: WeightView.Format, base: UnsafeRawPointer, rows: Int, columns: Int) {
            self.format = format
            self.base = UInt(bitPattern: base)
            self.rows = rows
            self.columns = columns
        }

        var rowBytes: Int { columns * format.size }
    }

    /// Distances in bytes, each of which is the best on some processor.
    package static let distances = [256, 2048]
    /// Turns of each distance.
    private static let turns = 8
    /// Bytes of a turn, each of which is read once, so that they come from memory.
    private static let turnBytes = 8 << 20
    /// Bytes of a piece for one thread.
    private static let pieceBytes = 256 << 10
    /// By so much another distance must be faster than the usual one: more than what is left of the noise.
    private static let advantage = 0.97

    /// Some rows of a matrix.
    private struct Piece {
        let matrix: Matrix
        let rows: Range<Int>
    }

    private let pieces: [[Piece]]

    /// Shares the first of `matrices` out among all turns; nil where there are too few.
    package init?(_ matrices: [Matrix]) {
        let wanted = FetchTuning.turns * FetchTuning.distances.count
        var pieces: [[Piece]] = []
        var (current, bytes) = ([Piece](), 0)
        for matrix in matrices where matrix.rowBytes > 0 {
            let step = max(4, FetchTuning.pieceBytes / matrix.rowBytes / 4 * 4)
            for start in stride(from: 0, to: matrix.rows, by: step) where pieces.count < wanted {
                let rows = start..<min(start + step, matrix.rows)
                current.append(Piece(matrix: matrix, rows: rows))
                bytes += rows.count * matrix.rowBytes
                if bytes >= FetchTuning.turnBytes {
                    pieces.append(current)
                    (current, bytes) = ([], 0)
                }
            }
        }
        guard pieces.count == wanted else { return nil }
        self.pieces = pieces
    }

    /// The distance at which the threads of `pool` multiply fastest.
    package func fastest(_ kernels: Kernels, _ pool: ThreadPool) -> Int {
        let columns = pieces.joined().reduce(0) { max($0, $1.matrix.columns) }
        let token = UnsafeMutablePointer<Float>.allocate(capacity: columns + 64)
        token.initialize(repeating: 0, count: columns + 64)
        defer { token.deallocate() }
        var nanoseconds = FetchTuning.distances.map { _ in [UInt64]() }
        for (number, turn) in pieces.enumerated() {
            let choice = number % FetchTuning.distances.count
            let tried = kernels.fetching(once: kernels.fetchesOnce, distance: FetchTuning.distances[choice])
            let start = monotonicNanoseconds()
            pool.parallel(turn.count) { index, scratch in
                let piece = turn[index]
                scratch.withFloats(piece.rows.count) { sums in
                    tried.stream(piece.matrix, piece.rows, x: token, y: sums)
                }
            }
            nanoseconds[choice].append(monotonicNanoseconds() - start)
        }
        return FetchTuning.choice(of: nanoseconds, usual: kernels.fetchDistance)
    }

    /// The distance whose median is the least, if it is clearly less than that of `usual`.
    package static func choice(of nanoseconds: [[UInt64]], usual: Int) -> Int {
        let medians = nanoseconds.map { times in Double(times.sorted()[times.count / 2]) }
        let ofUsual = zip(distances, medians).first { $0.0 == usual }?.1 ?? .infinity
        let best = zip(distances, medians).min { $0.1 < $1.1 }
        guard let best, best.1 < ofUsual * advantage else { return usual }
        return best.0
    }
}

extension Kernels {
    /// Rows of `matrix` by one token, as numbers that nobody wants: the codes of FP8 without their scales.
    fileprivate func stream(
        _ matrix: FetchTuning.Matrix, _ rows: Range<Int>, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>
    ) {
        guard let base = UnsafeRawPointer(bitPattern: matrix.base) else { return }
        var job = vector_product(
            weights: base + rows.lowerBound * matrix.rowBytes, row_bytes: matrix.rowBytes, rows: rows.count,
            columns: matrix.columns, scales: nil, block: 1, phase: 0, x: x, y: y, next: nil,
            ahead: fetchDistance, once: once)
        vectorProduct(matrix.format, &job)
    }
}
