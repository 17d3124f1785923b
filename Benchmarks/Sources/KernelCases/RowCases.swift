import GLMKernels

/// The loops over one row, in cache. Their bytes are what they read and write there.
package enum RowCases {
    /// Every row kernel of one level, or of the plain loops; selections have no plain twin.
    package static func all(_ engine: KernelCase.Engine) -> [KernelCase] {
        switch engine {
        case .level(let level): fast(engine, Kernels.table(level))
        default: naive(engine, NaiveKernels(.best))
        }
    }

    private static func row(
        _ engine: KernelCase.Engine, _ kernel: String, _ count: Int, streams: Int, _ run: @escaping () -> Void
    ) -> KernelCase {
        KernelCase(
            kernel: kernel, shape: "\(count)", engine: engine,
            work: Work(bytes: 4 * count * streams, operations: 0), run: run)
    }

    private static func fast(_ engine: KernelCase.Engine, _ kernels: Kernels) -> [KernelCase] {
        let a = floats(154_880), b = floats(6144), c = floats(6144), y = floats(6144)
        let chosen = UnsafeMutablePointer<Int32>.allocate(capacity: 2048)
        return [
            row(engine, "RMSNorm", 6144, streams: 3) {
                kernels.rmsNorm(a, weight: b, epsilon: 1e-5, count: 6144, output: y)
            },
            row(engine, "LayerNorm", 128, streams: 4) {
                kernels.layerNorm(a, weight: b, bias: c, epsilon: 1e-6, count: 128, output: y)
            },
            row(engine, "SiLU·mul", 2048, streams: 3) {
                kernels.siluMultiply(gate: a, up: b, count: 2048, output: y)
            },
            row(engine, "softmax", 2048, streams: 2) { kernels.softmax(y, count: 2048) },
            row(engine, "sigmoid", 256, streams: 2) { kernels.sigmoid(a, count: 256, output: y) },
            row(engine, "add", 6144, streams: 3) { kernels.add(a, b, count: 6144, output: y) },
            row(engine, "add scaled", 6144, streams: 3) {
                kernels.addScaled(a, factor: 0.5, count: 6144, into: y)
            },
            row(engine, "rotary", 64, streams: 2) {
                kernels.rotateInterleaved(y, cosines: b, sines: c, pairs: 32)
            },
            row(engine, "argmax", 154_880, streams: 1) { _ = kernels.argmax(a, count: 154_880) },
            row(engine, "top 2048", 32_768, streams: 1) {
                _ = selectLargest(a, count: 32_768, k: 2048, into: chosen)
            },
        ]
    }

    private static func naive(_ engine: KernelCase.Engine, _ kernels: NaiveKernels) -> [KernelCase] {
        let a = floats(6144), b = floats(6144), c = floats(6144), y = floats(6144)
        return [
            row(engine, "RMSNorm", 6144, streams: 3) {
                kernels.rmsNorm(a, weight: b, epsilon: 1e-5, count: 6144, output: y)
            },
            row(engine, "LayerNorm", 128, streams: 4) {
                kernels.layerNorm(a, weight: b, bias: c, epsilon: 1e-6, count: 128, output: y)
            },
            row(engine, "SiLU·mul", 2048, streams: 3) {
                kernels.siluMultiply(gate: a, up: b, count: 2048, output: y)
            },
            row(engine, "softmax", 2048, streams: 2) { kernels.softmax(y, count: 2048) },
            row(engine, "sigmoid", 256, streams: 2) { kernels.sigmoid(a, count: 256, output: y) },
            row(engine, "add", 6144, streams: 3) { kernels.add(a, b, count: 6144, output: y) },
            row(engine, "add scaled", 6144, streams: 3) {
                kernels.addScaled(a, factor: 0.5, count: 6144, into: y)
            },
            row(engine, "rotary", 64, streams: 2) {
                kernels.rotateInterleaved(y, cosines: b, sines: c, pairs: 32)
            },
        ]
    }
}
