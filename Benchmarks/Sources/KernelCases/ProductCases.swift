import GLMKernels

/// Products with GLM-5's matrices.
package enum ProductCases {
    /// Rows × columns, and whose they are.
    package static let shapes: [(name: String, rows: Int, columns: Int)] = [
        ("expert up 2048x6144", 2048, 6144), ("expert down 6144x2048", 6144, 2048),
        ("latent down 576x6144", 576, 6144), ("query up 16384x2048", 16384, 2048),
        ("latent up 28672x512", 28672, 512), ("output 6144x16384", 6144, 16384), ("gate 256x6144", 256, 6144),
    ]
    /// One token is bound by memory, many by arithmetic.
    package static let tokens = [1, 8, 128]
    /// Bytes that calls with one token walk through, so that no cache holds the weights.
    private static let span = 1 << 28
    /// Weights of all shapes. Written here, read ever after.
    private nonisolated(unsafe) static let memory = floats(
        span / 4 + (shapes.map { $0.rows * $0.columns }.max() ?? 0))
    /// Rows that a naive loop does; its speed does not depend on their number.
    private static let naiveRows = 8

    /// All formats, levels and baselines of one shape.
    package static func all(
        _ shape: (name: String, rows: Int, columns: Int), levels: [InstructionSet], blas: OpenBLAS?
    ) -> [KernelCase] {
        let x = floats(128 * shape.columns), y = floats(128 * shape.rows)
        var cases: [KernelCase] = []
        for format in WeightView.Format.allCases {
            let views = views(shape, format, memory)
            for tokens in tokens {
                var next = 0
                func add(_ engine: KernelCase.Engine, rows: Int, _ call: @escaping (WeightView) -> Void) {
                    cases.append(
                        KernelCase(
                            kernel: "product", shape: shape.name, format: format.label, tokens: tokens,
                            engine: engine,
                            work: Work(
                                bytes: views[0].rows(0..<rows).byteCount,
                                operations: 2 * tokens * rows * shape.columns)
                        ) {
                            next = (next + 1) % views.count
                            call(views[next])
                        })
                }
                for level in levels {
                    let kernels = Kernels.table(level)
                    add(.level(level), rows: shape.rows) { view in
                        kernels.product(
                            view, rows: 0..<shape.rows, x: x, tokens: tokens, xStride: shape.columns, y: y,
                            yStride: shape.rows)
                    }
                }
                add(.naive, rows: naiveRows) { view in
                    NaiveKernels(.best).product(
                        view, rows: 0..<naiveRows, x: x, tokens: tokens, xStride: shape.columns, y: y,
                        yStride: shape.rows)
                }
                guard let blas else { continue }
                let compute = Compute(
                    kernels: .table(.best), pool: ThreadPool(threads: 1), blas: blas)
                guard tokens > 1 else { continue }
                add(.openBLAS, rows: shape.rows) { view in
                    compute.product([
                        ProductGroup(
                            weight: view, x: x, tokens: tokens, xStride: shape.columns, y: y,
                            yStride: shape.rows)
                    ])
                }
            }
        }
        return cases
    }

    /// As many matrices as fit into the memory, one behind the other. FP8 codes are bytes of floats, scales 2⁻⁷.
    private static func views(
        _ shape: (name: String, rows: Int, columns: Int), _ format: WeightView.Format,
        _ memory: UnsafeMutablePointer<Float>
    ) -> [WeightView] {
        let bytes = shape.rows * shape.columns * format.size
        let across = (shape.columns + 127) / 128
        let scales = floats((shape.rows + 127) / 128 * across)
        scales.update(repeating: 0x1p-7, count: (shape.rows + 127) / 128 * across)
        return (0..<max(1, span / bytes)).map { index in
            WeightView(
                format: format, base: UnsafeRawPointer(memory) + index * bytes, rows: shape.rows,
                columns: shape.columns,
                scales: format == .float8E4M3
                    ? BlockScales(base: scales, stride: across, blockRows: 128, blockColumns: 128) : nil)
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
