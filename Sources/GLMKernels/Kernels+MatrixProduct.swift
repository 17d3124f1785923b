import CVector

/// Bytes of tokens that stay in the second-level cache while rows pass.
private let nearBytes = 1 << 20
/// Streams in which the rows of the next step are read.
private let streams = 4

extension Kernels {
    /// Whether products with weights in BF16 run on matrix registers.
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
        precondition(multipliesMatrices && w.format != .float32 && tokens.shape.columns == w.columns)
        precondition(w.format == .bfloat16 || !tokens.shape.isExact)
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        // Few tokens wait for memory: the first tile of rows is there sooner. Rows that meet several pairs of tiles are gathered.
        let shape = tokens.shape
        let height = shape.tiles == 1 && (shape.areBeside || !shape.isExact) ? 16 : MatrixRows.most
        let isGathered = shape.tiles > 2
        let sums = matrix_sums
        scratch.withFloats(sums + MatrixRows.floats(w, isGathered)) { memory in
            var registers = MatrixRegisters(self, shape)
            defer { registers.release() }
            let near = max(2, nearBytes / shape.tileBytes / 2 * 2)
            for first in stride(from: 0, to: shape.tiles, by: near) {
                var low = rows.lowerBound
                while low < rows.upperBound {
                    // Few tokens by whole rows: all full steps at once.
                    let steps =
                        shape.areBeside && w.columns % 32 == 0 ? max(1, (rows.upperBound - low) / height) : 1
                    let end = min(rows.upperBound, low + steps * height)
                    defer { low = end }
                    let step = low..<min(end, low + height)
                    let weights = MatrixRows(w, step, isGathered, memory: memory + sums, by: self)
                    let ahead = matrix_request(
                        w, behind: step.upperBound, height, step.upperBound == rows.upperBound ? next : nil)
                    let last = matrix_request(w, behind: end, height, end == rows.upperBound ? next : nil)
                    for index in stride(from: first, to: min(shape.tiles, first + near), by: 2) {
                        let a = shape.tile(index), b = shape.tile(index + 1)
                        var job = matrix_product(
                            weights: weights.base, row_bytes: weights.rowBytes,
                            group_bytes: weights.groupBytes,
                            rest: weights.rest, groups: weights.groups, first: tokens.address(index),
                            second: tokens.address(index + 1), first_tokens: a.count, second_tokens: b.count,
                            pair_bytes: shape.pairBytes, sums: memory, y: y + a.lowerBound * yStride + low,
                            y_stride: yStride, rows: step.count, rounded: shape.isExact ? 0 : 1,
                            ahead: index == 0 ? ahead : matrix_request(), steps: steps, next: last.from)
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
        let shape = MatrixTokens.Shape(tokens: 1, columns: w.columns, isExact: true)
        scratch.withFloats(shape.floats) { memory in
            let tokens = MatrixTokens(base: UnsafeMutableRawPointer(memory), shape: shape)
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
    let shape: MatrixTokens.Shape
    private var rows = 0

    init(_ kernels: Kernels, _ shape: MatrixTokens.Shape) {
        self.kernels = kernels
        self.shape = shape
    }

    /// One product, after the shapes that it needs.
    mutating func run(_ job: inout matrix_product) {
        if job.rows != rows {
            rows = job.rows
            configure()
        }
        if shape.areBeside {
            kernels.runBesideProduct(&job, room: shape.room)
        } else {
            kernels.runMatrixProduct(&job, isExact: shape.isExact)
        }
    }

    private func configure() {
        var shapes = matrix_shapes()
        shapes.palette = 1
        let low = UInt8(min(rows, 16)), high = UInt8(max(0, rows - 16))
        let width = UInt16(shape.pairBytes)
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
