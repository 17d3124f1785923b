import GLMKernels

/// The loops over cached keys, and those over the latent's weights, at GLM-5's widths.
package enum AttentionCases {
    private static let (heads, latent, rope) = (64, 512, 64)
    private static let (indexHeads, indexWidth) = (32, 128)
    private static let pageTokens = KeyRows.pageTokens

    /// Attention over selected keys, index scores, and the absorbed key product of one head.
    package static func all(_ engine: KernelCase.Engine) -> [KernelCase] {
        let naive = engine == .naive
        return [attend(engine, keys: naive ? 64 : 2048)]
            + CacheFormat.allCases.map { scores(engine, $0, keys: naive ? 256 : 8192) }
            + WeightView.Format.allCases.flatMap { format in
                [1, 8, 128].map { transposed(engine, format, tokens: $0) }
            }
    }

    /// Pages in ascending order, every second position chosen: what a sparse selection gathers.
    private static func attend(_ engine: KernelCase.Engine, keys: Int) -> KernelCase {
        let width = latent + rope
        let pages = pages(tokens: 2 * keys, width: width)
        let positions = UnsafeMutablePointer<Int32>.allocate(capacity: keys)
        for index in 0..<keys { positions[index] = Int32(2 * index) }
        let rows = KeyRows(pages: pages, width: width, positions: positions, count: keys)
        let query = floats(heads * width), output = floats(heads * latent), scratch = floats(heads * keys)
        let work = Work(bytes: keys * width * 4, operations: 2 * keys * heads * (width + latent))
        let call: () -> Void =
            switch engine {
            case .level(let level):
                {
                    Kernels.table(level).attend(
                        query: query, heads: heads, width: width, latentWidth: latent, scale: 0.1, keys: rows,
                        scratch: scratch, output: output)
                }
            default:
                {
                    NaiveKernels(.best).attend(
                        query: query, heads: heads, width: width, latentWidth: latent, scale: 0.1, keys: rows,
                        scratch: scratch, output: output)
                }
            }
        return KernelCase(
            kernel: "attention", shape: "64 heads, \(keys) keys of 576", engine: engine, work: work, run: call
        )
    }

    private static func scores(_ engine: KernelCase.Engine, _ format: CacheFormat, keys: Int) -> KernelCase {
        let row = CacheRow(format, latent: indexWidth)
        let values = floats(pageTokens + indexWidth)
        let raw = UnsafeMutablePointer<UnsafeRawPointer>.allocate(capacity: keys / pageTokens)
        for page in 0..<keys / pageTokens {
            let memory = UnsafeMutableRawPointer(floats(pageTokens * indexWidth))
            for slot in 0..<pageTokens {
                Kernels.table(.best).storeColumn(values + slot, as: row, page: memory, slot: slot)
            }
            (raw + page).initialize(to: UnsafeRawPointer(memory))
        }
        let rows = KeyColumns(pages: raw, row: row, count: keys)
        let query = floats(indexHeads * indexWidth), weights = floats(indexHeads), output = floats(keys)
        let work = Work(bytes: keys * row.bytes, operations: 2 * keys * indexHeads * indexWidth)
        let call: () -> Void =
            switch engine {
            case .level(let level):
                {
                    Kernels.table(level).indexScores(
                        query: query, headWeights: weights, heads: indexHeads, scale: 0.1,
                        keys: rows, range: 0..<keys, output: output)
                }
            default:
                {
                    NaiveKernels(.best).indexScores(
                        query: query, headWeights: weights, heads: indexHeads, scale: 0.1,
                        keys: rows, range: 0..<keys, output: output)
                }
            }
        return KernelCase(
            kernel: "index scores", shape: "32 heads, \(keys) keys of 128", format: format.label,
            engine: engine,
            work: work, run: call)
    }

    /// Wkᵀ q of one head: 192 rows of the latent's 512 columns.
    private static func transposed(
        _ engine: KernelCase.Engine, _ format: WeightView.Format, tokens: Int
    ) -> KernelCase {
        let (rows, columns) = (192, latent)
        let view = WeightView(
            format: format, base: UnsafeRawPointer(weights(rows * columns)), rows: rows, columns: columns,
            scales: format == .float8E4M3 ? ProductCases.scales(rows, columns) : nil)
        let x = floats(tokens * rows), y = floats(tokens * columns)
        let call: () -> Void =
            switch engine {
            case .level(let level):
                {
                    Kernels.table(level).transposedProduct(
                        view, columns: 0..<columns, x: x, tokens: tokens, xStride: rows, y: y,
                        yStride: columns)
                }
            default:
                {
                    NaiveKernels(.best).transposedProduct(
                        view, columns: 0..<columns, x: x, tokens: tokens, xStride: rows, y: y,
                        yStride: columns)
                }
            }
        return KernelCase(
            kernel: "transposed product", shape: "one head 192x512", format: format.label, tokens: tokens,
            engine: engine,
            work: Work(bytes: view.byteCount, operations: 2 * tokens * rows * columns), run: call)
    }

    private static func pages(tokens: Int, width: Int) -> UnsafeMutablePointer<UnsafePointer<Float>> {
        let count = (tokens + pageTokens - 1) / pageTokens
        let pages = UnsafeMutablePointer<UnsafePointer<Float>>.allocate(capacity: count)
        for page in 0..<count {
            (pages + page).initialize(to: UnsafePointer(floats(pageTokens * width)))
        }
        return pages
    }
}

extension CacheFormat {
    /// As in tables.
    package var label: String {
        switch self {
        case .float32: "F32"
        case .bfloat16: "BF16"
        case .fp8: "FP8"
        }
    }
}
