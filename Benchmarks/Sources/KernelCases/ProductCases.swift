import GLMKernels

/// Products with GLM-5's matrices.
package enum ProductCases {
    /// Rows × columns, and whose they are.
    package struct Shape: Sendable {
        package let name: String
        let rows: Int
        let columns: Int

        init(_ name: String, _ rows: Int, _ columns: Int) {
            self.name = "\(name) \(rows)x\(columns)"
            self.rows = rows
            self.columns = columns
        }
    }

    package static let shapes = [
        Shape("expert up", 2048, 6144), Shape("expert down", 6144, 2048), Shape("latent down", 576, 6144),
        Shape("query up", 16384, 2048), Shape("latent up", 28672, 512), Shape("output", 6144, 16384),
        Shape("gate", 256, 6144), Shape("dense up", 12288, 6144), Shape("dense down", 6144, 12288),
        Shape("index query", 4096, 2048), Shape("index key", 128, 6144),
        Shape("an eighth of the head", 19360, 6144),
    ]
    /// One token is bound by memory, many by arithmetic.
    package static let tokens = [1, 8, 128]
    /// Bytes that calls with one token walk through, so that no cache holds the weights.
    private static let span = 1 << 28
    /// Weights of all shapes. Written here, read ever after.
    private nonisolated(unsafe) static let memory = weights(
        span / 4 + (shapes.map { $0.rows * $0.columns }.max() ?? 0))
    /// Rows that a naive loop does; its speed does not depend on their number.
    private static let naiveRows = 8

    /// What multiplies, and on what it lies: own products of every arithmetic, at `levels`; plain twins and OpenBLAS
    /// where they are asked for.
    ///
    /// A product of several tokens arranges them first, as the engine's does; in `bfloat16` it rounds them for that, in
    /// `w8a8` it quantises them. OpenBLAS knows Float32 alone, so its rows belong to that arithmetic.
    package static func all(
        _ shape: Shape, tokens: [Int] = tokens, levels: [InstructionSet], isNaive: Bool = false,
        blas: OpenBLAS? = nil
    ) -> [KernelCase] {
        let most = tokens.max() ?? 1
        let place = Place(shape, x: floats(most * shape.columns), y: floats(most * shape.rows))
        return WeightView.Format.allCases.flatMap { format in
            let views = views(shape, format)
            return tokens.flatMap { tokens in
                ProductArithmetic.allCases.filter { $0.takes(format) }.flatMap { arithmetic in
                    let bench = Bench(place: place, views: views, tokens: tokens, arithmetic: arithmetic)
                    return levels.map { bench.own($0) } + (isNaive ? [bench.naive(rows: naiveRows)] : [])
                        + (blas.flatMap { bench.openBLAS($0) }.map { [$0] } ?? [])
                }
            }
        }
    }

    /// As many matrices as fit into the memory, one behind the other. Scales are 2⁻⁷.
    private static func views(_ shape: Shape, _ format: WeightView.Format) -> [WeightView] {
        let bytes = shape.rows * shape.columns * format.size
        return (0..<max(1, span / bytes)).map { index in
            WeightView(
                format: format, base: UnsafeRawPointer(memory) + index * bytes, rows: shape.rows,
                columns: shape.columns,
                scales: format == .float8E4M3 ? scales(shape.rows, shape.columns) : nil)
        }
    }

    /// Equal scales for each 128 × 128 block.
    static func scales(_ rows: Int, _ columns: Int) -> BlockScales {
        let across = (columns + 127) / 128
        let count = (rows + 127) / 128 * across
        let base = floats(count)
        base.update(repeating: 0x1p-7, count: count)
        return BlockScales(base: base, stride: across, blockRows: 128, blockColumns: 128)
    }
}

/// Inputs and outputs of one shape.
private struct Place {
    let shape: ProductCases.Shape
    let x: UnsafeMutablePointer<Float>
    let y: UnsafeMutablePointer<Float>

    init(_ shape: ProductCases.Shape, x: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>) {
        self.shape = shape
        self.x = x
        self.y = y
    }
}

/// One shape, format, number of tokens and arithmetic; who does it is still open.
private struct Bench {
    let place: Place
    let views: [WeightView]
    let tokens: Int
    let arithmetic: ProductArithmetic

    func own(_ level: InstructionSet) -> KernelCase {
        let compute = Compute(
            kernels: .table(level), pool: ThreadPool(threads: 1), arithmetic: arithmetic)
        return item(.level(level), rows: place.shape.rows) { view in compute.product([group(view)]) }
    }

    func openBLAS(_ blas: OpenBLAS) -> KernelCase? {
        guard tokens > 1, arithmetic == .float32 else { return nil }
        let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 1), blas: blas)
        return item(.openBLAS, rows: place.shape.rows) { view in compute.product([group(view)]) }
    }

    func naive(rows: Int) -> KernelCase {
        let naive = NaiveKernels(.best)
        return item(.naive, rows: rows) { view in
            let part = group(view.rows(0..<rows))
            switch arithmetic {
            case .float32:
                naive.product(
                    part.weight, rows: 0..<rows, x: part.x, tokens: tokens, xStride: part.xStride, y: part.y,
                    yStride: part.yStride)
            case .bfloat16:
                naive.pairProduct(
                    part.weight, x: part.x, tokens: tokens, xStride: part.xStride, y: part.y,
                    yStride: part.yStride)
            case .w8a8:
                naive.scaledProduct(
                    part.weight, x: part.x, tokens: tokens, xStride: part.xStride, y: part.y,
                    yStride: part.yStride)
            }
        }
    }

    private func group(_ view: WeightView) -> ProductGroup {
        ProductGroup(
            weight: view, x: place.x, tokens: tokens, xStride: place.shape.columns, y: place.y,
            yStride: place.shape.rows)
    }

    private func item(
        _ engine: KernelCase.Engine, rows: Int, _ call: @escaping (WeightView) -> Void
    ) -> KernelCase {
        var next = 0
        return KernelCase(
            kernel: arithmetic.kernel, shape: place.shape.name, format: views[0].format.label, tokens: tokens,
            engine: engine,
            work: Work(
                bytes: views[0].rows(0..<rows).byteCount, operations: 2 * tokens * rows * place.shape.columns),
            streams: engine != .naive
        ) {
            next = (next + 1) % views.count
            call(views[next])
        }
    }
}

extension ProductArithmetic {
    /// As in tables.
    fileprivate var kernel: String {
        switch self {
        case .float32: "product"
        case .bfloat16: "product bfloat16"
        case .w8a8: "product w8a8"
        }
    }

    /// Whether a product of this arithmetic differs from that of Float32 on such weights.
    fileprivate func takes(_ format: WeightView.Format) -> Bool {
        switch self {
        case .float32: true
        case .bfloat16: format != .float32
        case .w8a8: format == .float8E4M3
        }
    }
}

extension WeightView.Format {
    /// As in tables.
    package var label: String {
        switch self {
        case .float32: "F32"
        case .bfloat16: "BF16"
        case .float8E4M3: "FP8"
        }
    }
}
