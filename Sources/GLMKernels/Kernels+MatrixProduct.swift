import CVector

/// Bytes of tokens that stay in the second-level cache while rows pass.
private let nearBytes = 1 << 20
/// Rows of one step: two tiles.
private let stepRows = 32
/// Bytes that separate the decoded rows beyond their codes: rows a multiple of 4 KB apart would share one set of the
/// nearest cache.
private let rowGap = 64

extension Kernels {
    /// Whether products of BF16 run on matrix registers.
    var multipliesMatrices: Bool { level == .amx }

    /// y[t, n] = BF16(Σ_k w[n, k] · x[t, k]) for n in `rows`, with weights and activations in BF16, on matrix registers.
    ///
    /// FP8 weights are the BF16 rounding of code × multiplier. The order is stated at
    /// `NaiveKernels.pairProduct`.
    /// - Precondition: the level is `amx`; `rows` lies in the matrix, which is BF16 or FP8.
    func matrixProduct(
        _ w: WeightView, rows: Range<Int>, _ tokens: MatrixTokens, y: UnsafeMutablePointer<Float>,
        yStride: Int, scratch: Scratch
    ) {
        precondition(multipliesMatrices && w.format != .float32 && tokens.columns == w.columns)
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        let sums = 1024, gathered = MatrixRows.floats(w)
        scratch.withFloats(sums + gathered) { memory in
            var registers = MatrixRegisters(self)
            defer { registers.release() }
            let near = max(2, nearBytes / (tokens.groups * 1024) / 2 * 2)
            for first in stride(from: 0, to: tokens.tiles, by: near) {
                for low in stride(from: rows.lowerBound, to: rows.upperBound, by: stepRows) {
                    let step = low..<min(rows.upperBound, low + stepRows)
                    let weights = MatrixRows(w, step, memory: memory + sums, by: self)
                    for index in stride(from: first, to: min(tokens.tiles, first + near), by: 2) {
                        let a = tokens.tile(index), b = tokens.tile(index + 1)
                        var job = matrix_product(
                            weights: weights.base, row_bytes: weights.rowBytes, rest: weights.rest,
                            groups: weights.groups, first: tokens.address(a), second: tokens.address(b),
                            first_tokens: a.count, second_tokens: b.count, sums: memory,
                            y: y + a.lowerBound * yStride + low, y_stride: yStride, rows: step.count,
                            ahead: index == 0 ? weights.ahead : 0)
                        registers.run(&job)
                    }
                }
            }
        }
    }
}

/// What the matrix registers of this thread are shaped for.
private struct MatrixRegisters {
    let kernels: Kernels
    private var rows = 0
    private var first = 0
    private var second = 0

    init(_ kernels: Kernels) { self.kernels = kernels }

    /// One product, after the shapes that it needs.
    mutating func run(_ job: inout matrix_product) {
        if job.rows != rows || job.first_tokens != first || job.second_tokens != second {
            (rows, first, second) = (job.rows, job.first_tokens, job.second_tokens)
            configure()
        }
        kernels.runMatrixProduct(&job)
    }

    private func configure() {
        var shapes = matrix_shapes()
        shapes.palette = 1
        let low = UInt8(min(rows, 16)), high = UInt8(max(0, rows - 16))
        let a = UInt16(first * 4), b = UInt16(second * 4)
        let tiles: [(UInt8, UInt16)] = [
            (low, a), (low, b), (high, a), (high, b), (low, 64), (high, 64), (16, a), (16, b),
        ]
        withUnsafeMutableBytes(of: &shapes) { bytes in
            for (tile, shape) in tiles.enumerated() where shape.0 > 0 && shape.1 > 0 {
                bytes.storeBytes(of: shape.1, toByteOffset: 16 + 2 * tile, as: UInt16.self)
                bytes.storeBytes(of: shape.0, toByteOffset: 48 + tile, as: UInt8.self)
            }
        }
        kernels.configureMatrices(&shapes)
    }

    /// Leaves the registers empty, so that they cost nothing when threads change places.
    func release() {
        if rows > 0 { kernels.releaseMatrices() }
    }
}

/// Up to 32 rows as BF16 codes: where they lie, or decoded.
private struct MatrixRows {
    let base: UnsafeRawPointer
    let rowBytes: Int
    /// Groups of 32 columns, and the last one where it is short.
    let groups: Int
    let rest: UnsafeRawPointer?
    let ahead: Int

    /// Floats of memory that rows of `w` may need.
    static func floats(_ w: WeightView) -> Int {
        switch w.format {
        case .bfloat16: w.columns % 32 == 0 ? 0 : stepRows * 16
        default: stepRows * (decodedBytes(w) / 4) + (w.columns + 31) / 32 * 32
        }
    }

    /// Bytes from one decoded row to the next.
    private static func decodedBytes(_ w: WeightView) -> Int { (w.columns + 31) / 32 * 64 + rowGap }

    init(_ w: WeightView, _ rows: Range<Int>, memory: UnsafeMutablePointer<Float>, by kernels: Kernels) {
        let store = UnsafeMutableRawPointer(memory)
        if w.format == .bfloat16 {
            base = w.base + rows.lowerBound * w.rowStride * 2
            rowBytes = w.rowStride * 2
            groups = w.columns / 32
            ahead = rowBytes * stepRows
            let left = w.columns % 32
            guard left > 0 else {
                rest = nil
                return
            }
            store.initializeMemory(as: UInt8.self, repeating: 0, count: rows.count * 64)
            for row in 0..<rows.count {
                (store + row * 64).copyMemory(from: base + row * rowBytes + groups * 64, byteCount: left * 2)
            }
            rest = UnsafeRawPointer(store)
            return
        }
        rowBytes = MatrixRows.decodedBytes(w)
        groups = (w.columns + 31) / 32
        rest = nil
        ahead = 0
        base = UnsafeRawPointer(store)
        let floats = (store + stepRows * rowBytes).assumingMemoryBound(to: Float.self)
        for (index, row) in rows.enumerated() {
            kernels.decodeToBFloat16(w, row: row, codes: store + index * rowBytes, floats: floats)
        }
    }
}

extension Kernels {
    /// One row of FP8 weights as BF16 codes, the last group of 32 filled with zeros.
    fileprivate func decodeToBFloat16(
        _ w: WeightView, row: Int, codes: UnsafeMutableRawPointer, floats: UnsafeMutablePointer<Float>
    ) {
        guard let scales = w.scales, w.hasWholeLines, scales.hasWholeLines,
            scales.areNormal(row: row, columns: w.columns)
        else {
            decode(w, row: row, columns: 0..<w.columns, into: floats, stride: 16)
            return packBFloat16(
                floats, stride: 0, tokens: 1, count: w.columns, packed: codes, groupStride: 64)
        }
        decodeLines(
            w.base + row * w.rowStride, w.columns, scales: scales.address(row: row, column: 0),
            block: scales.blockColumns, phase: scales.columnOrigin % scales.blockColumns, codes: codes)
    }
}

extension BlockScales {
    /// Whether blocks begin and end between lines of 64 columns.
    fileprivate var hasWholeLines: Bool { blockColumns % 64 == 0 && columnOrigin % 64 == 0 }
}
