import CVector

/// Bytes of tokens that stay in the second-level cache while rows pass.
private let nearBytes = 1 << 20
/// The most rows of one step: two tiles.
private let stepRows = 32
/// Streams in which the rows of the next step are read.
private let streams = 4
/// Bytes that separate the decoded rows beyond their codes: rows a multiple of 4 KB apart would share one set of the
/// nearest cache.
private let rowGap = 64

extension Kernels {
    /// Whether products of BF16 run on matrix registers.
    var multipliesMatrices: Bool { level.hasMatrices }

    /// y[t, n] = Σ_k w[n, k] · x[t, k] for n in `rows` on matrix registers, with weights in BF16; with activations in BF16 the
    /// sum is rounded to it too.
    ///
    /// FP8 weights are the BF16 rounding of code × multiplier. The order is stated at `NaiveKernels.matrixProduct`.
    /// - Parameter next: the weights that are read behind these rows, where they do not follow in memory.
    /// - Precondition: the level is `amx`; `rows` lies in the matrix, which is BF16 or, unless tokens are exact, FP8.
    func matrixProduct(
        _ w: WeightView, rows: Range<Int>, _ tokens: MatrixTokens, y: UnsafeMutablePointer<Float>,
        yStride: Int, scratch: Scratch, next: UnsafeRawPointer? = nil
    ) {
        precondition(multipliesMatrices && w.format != .float32 && tokens.columns == w.columns)
        precondition(w.format == .bfloat16 || !tokens.isExact)
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        // Few tokens wait for memory: the first tile of rows is there sooner. Rows that meet several pairs of tiles are gathered.
        let height = tokens.tiles == 1 ? 16 : stepRows
        let isGathered = tokens.tiles > 2
        let sums = 1024
        scratch.withFloats(sums + MatrixRows.floats(w, isGathered)) { memory in
            var registers = MatrixRegisters(self, tokens)
            defer { registers.release() }
            let near = max(2, nearBytes / tokens.tileBytes / 2 * 2)
            for first in stride(from: 0, to: tokens.tiles, by: near) {
                for low in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
                    let step = low..<min(rows.upperBound, low + height)
                    let weights = MatrixRows(w, step, isGathered, memory: memory + sums, by: self)
                    let behind = step.upperBound == rows.upperBound ? next : nil
                    let ahead = matrix_request(w, behind: step.upperBound, height, behind)
                    for index in stride(from: first, to: min(tokens.tiles, first + near), by: 2) {
                        let a = tokens.tile(index), b = tokens.tile(index + 1)
                        var job = matrix_product(
                            weights: weights.base, row_bytes: weights.rowBytes,
                            group_bytes: weights.groupBytes,
                            rest: weights.rest, groups: weights.groups, first: tokens.address(index),
                            second: tokens.address(index + 1), first_tokens: a.count, second_tokens: b.count,
                            tile_tokens: tokens.tileTokens, sums: memory, y: y + a.lowerBound * yStride + low,
                            y_stride: yStride, rows: step.count, rounded: tokens.isExact ? 0 : 1,
                            ahead: index == 0 ? ahead : matrix_request())
                        registers.run(&job)
                    }
                }
            }
        }
    }
}

extension Kernels {
    /// The same of one exact token that is not packed yet.
    func matrixProduct(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        scratch: Scratch, next: UnsafeRawPointer? = nil
    ) {
        let floats = MatrixTokens.floats(tokens: 1, columns: w.columns, isExact: true)
        scratch.withFloats(floats) { memory in
            let tokens = MatrixTokens(
                base: UnsafeMutableRawPointer(memory), tokens: 1, columns: w.columns, isExact: true)
            pack(x, stride: 0, tile: 0, into: tokens)
            matrixProduct(w, rows: rows, tokens, y: y, yStride: 0, scratch: scratch, next: next)
        }
    }
}

extension matrix_request {
    /// What is asked for while rows are multiplied: `height` from `row` on, or the beginning of what is read next.
    fileprivate init(_ w: WeightView, behind row: Int, _ height: Int, _ next: UnsafeRawPointer?) {
        self.init()
        guard w.format == .bfloat16, next != nil || row < w.rows else { return }
        let rowBytes = w.rowStride * 2
        from = next ?? w.base + row * rowBytes
        if w.rowStride == w.columns && w.columns % 32 == 0 {
            lines = height / streams
            step_bytes = lines * 64
            count = streams
            stride = lines * rowBytes
        } else {
            lines = 1
            step_bytes = 64
            count = height
            stride = rowBytes
        }
    }
}

/// What the matrix registers of this thread are shaped for.
private struct MatrixRegisters {
    let kernels: Kernels
    let tileTokens: Int
    let isExact: Bool
    private var rows = 0

    init(_ kernels: Kernels, _ tokens: MatrixTokens) {
        self.kernels = kernels
        tileTokens = tokens.tileTokens
        isExact = tokens.isExact
    }

    /// One product, after the shapes that it needs.
    mutating func run(_ job: inout matrix_product) {
        if job.rows != rows {
            rows = job.rows
            configure()
        }
        kernels.runMatrixProduct(&job, isExact: isExact)
    }

    private func configure() {
        var shapes = matrix_shapes()
        shapes.palette = 1
        let low = UInt8(min(rows, 16)), high = UInt8(max(0, rows - 16))
        let width = UInt16(tileTokens * 4)
        let tiles: [(UInt8, UInt16)] = [
            (low, width), (low, width), (high, width), (high, width), (low, 64), (high, 64), (16, width),
            (16, width),
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

/// Up to 32 rows as BF16 codes: where they lie, gathered group by group, or decoded.
private struct MatrixRows {
    let base: UnsafeRawPointer
    let rowBytes: Int
    let groupBytes: Int
    /// Groups of 32 columns, and the last one where it is short and they lie where they are stored.
    let groups: Int
    let rest: UnsafeRawPointer?

    /// Floats of memory that rows of `w` may need.
    static func floats(_ w: WeightView, _ isGathered: Bool) -> Int {
        let groups = (w.columns + 31) / 32
        return switch w.format {
        case .bfloat16: isGathered ? stepRows * groups * 16 : w.columns % 32 == 0 ? 0 : stepRows * 16
        default: stepRows * (decodedBytes(w) / 4) + groups * 32
        }
    }

    /// Bytes from one decoded row to the next.
    private static func decodedBytes(_ w: WeightView) -> Int { (w.columns + 31) / 32 * 64 + rowGap }

    init(
        _ w: WeightView, _ rows: Range<Int>, _ isGathered: Bool, memory: UnsafeMutablePointer<Float>,
        by kernels: Kernels
    ) {
        let store = UnsafeMutableRawPointer(memory)
        let stored = w.base + rows.lowerBound * w.rowStride * w.format.size
        if w.format == .bfloat16 && !isGathered {
            base = stored
            rowBytes = w.rowStride * 2
            groupBytes = 64
            groups = w.columns / 32
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
        base = UnsafeRawPointer(store)
        groups = (w.columns + 31) / 32
        rest = nil
        if w.format == .bfloat16 {
            rowBytes = 64
            groupBytes = rows.count * 64
            kernels.gatherLines(
                stored, rowBytes: w.rowStride * 2, rows: rows.count, columns: w.columns, into: store)
            return
        }
        rowBytes = MatrixRows.decodedBytes(w)
        groupBytes = 64
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
