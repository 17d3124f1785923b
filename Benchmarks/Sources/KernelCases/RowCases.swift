import GLMKernels

/// The loops over one row, in cache. Their bytes are what they read and write there.
package enum RowCases {
    /// Every row kernel of one level, or of the plain loops.
    package static func all(_ engine: KernelCase.Engine) -> [KernelCase] {
        switch engine {
        case .level(let level): fast(engine, Kernels.table(level)) + caches(engine, Kernels.table(level))
        default: naive(engine, NaiveKernels(.best)) + plainChoices(engine)
        }
    }

    private static func row(
        _ engine: KernelCase.Engine, _ kernel: String, _ count: Int, format: String = "F32", streams: Int,
        _ run: @escaping () -> Void
    ) -> KernelCase {
        KernelCase(
            kernel: kernel, shape: "\(count)", format: format, engine: engine,
            work: Work(bytes: 4 * count * streams, operations: 0), run: run)
    }

    private static func fast(_ engine: KernelCase.Engine, _ kernels: Kernels) -> [KernelCase] {
        let a = floats(154_880), b = floats(6144), c = floats(6144), y = floats(6144)
        let chosen = UnsafeMutablePointer<Int32>.allocate(capacity: 2048)
        let scratch = Scratch()
        var sums = SoftmaxSum(largest: 0, sum: 1)
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
            row(engine, "softmax weights", 2048, streams: 2) {
                sums = kernels.softmaxWeights(y, scale: 1, count: 2048)
            },
            row(engine, "softmax merge", 512, streams: 3) {
                kernels.softmaxMerge(a, sums, count: 512, into: y, &sums)
            },
            row(engine, "exp", 2048, streams: 2) { kernels.exp(a, count: 2048, output: y) },
            row(engine, "sigmoid", 256, streams: 2) { kernels.sigmoid(a, count: 256, output: y) },
            row(engine, "add", 6144, streams: 3) { kernels.add(a, b, count: 6144, output: y) },
            row(engine, "add scaled", 6144, streams: 3) {
                kernels.addScaled(a, factor: 0.5, count: 6144, into: y)
            },
            row(engine, "rotary", 64, streams: 2) {
                kernels.rotateInterleaved(y, cosines: b, sines: c, pairs: 32)
            },
            row(engine, "round to BF16", 6144, streams: 2) { kernels.roundToBFloat16(y, count: 6144) },
            row(engine, "quantise activations", 6144, format: "FP8", streams: 2) {
                kernels.quantizeActivations(
                    a, count: 6144, block: 128, codes: y, stride: 16, scales: c, scaleStride: 1)
            },
            row(engine, "argmax", 154_880, streams: 1) { _ = kernels.argmax(a, count: 154_880) },
            row(engine, "top 2048", 32_768, streams: 1) {
                kernels.selectLargest(a, count: 32_768, k: 2048, into: chosen, scratch: scratch)
            },
        ]
    }

    /// One row into a cache and out of it, in each of its formats.
    private static func caches(_ engine: KernelCase.Engine, _ kernels: Kernels) -> [KernelCase] {
        let a = floats(576), y = floats(1024)
        return CacheFormat.allCases.flatMap { format in
            let layout = CacheRow(format, latent: 512, rope: 64)
            let stored = UnsafeMutableRawPointer(floats(1024))
            kernels.store(a, as: layout, to: stored)
            return [
                row(engine, "cache row, written", 576, format: format.label, streams: 2) {
                    kernels.store(a, as: layout, to: stored)
                },
                row(engine, "cache row, read", 576, format: format.label, streams: 2) {
                    kernels.load(stored, as: layout, into: y)
                },
            ]
        }
    }

    private static func naive(_ engine: KernelCase.Engine, _ kernels: NaiveKernels) -> [KernelCase] {
        let a = floats(6144), b = floats(6144), c = floats(6144), y = floats(6144)
        let values = (0..<6144).map { a[$0] }
        var sums = SoftmaxSum(largest: 0, sum: 1)
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
            row(engine, "softmax weights", 2048, streams: 2) {
                sums = kernels.softmaxWeights(y, scale: 1, count: 2048)
            },
            row(engine, "softmax merge", 512, streams: 3) {
                kernels.softmaxMerge(a, sums, count: 512, into: y, &sums)
            },
            row(engine, "exp", 2048, streams: 2) { kernels.exp(a, count: 2048, output: y) },
            row(engine, "sigmoid", 256, streams: 2) { kernels.sigmoid(a, count: 256, output: y) },
            row(engine, "add", 6144, streams: 3) { kernels.add(a, b, count: 6144, output: y) },
            row(engine, "add scaled", 6144, streams: 3) {
                kernels.addScaled(a, factor: 0.5, count: 6144, into: y)
            },
            row(engine, "rotary", 64, streams: 2) {
                kernels.rotateInterleaved(y, cosines: b, sines: c, pairs: 32)
            },
            row(engine, "round to BF16", 6144, streams: 2) {
                for index in 0..<6144 { y[index] = BFloat16.decode(BFloat16.encode(y[index])) }
            },
            row(engine, "quantise activations", 6144, format: "FP8", streams: 2) {
                _ = kernels.quantizeActivations(values, block: 128)
            },
        ]
    }

    /// What choosing costs otherwise: a plain search, a radix over all bits, and sorting everything.
    private static func plainChoices(_ engine: KernelCase.Engine) -> [KernelCase] {
        let a = floats(154_880), y = floats(1)
        let chosen = UnsafeMutablePointer<Int32>.allocate(capacity: 2048)
        return [
            row(engine, "argmax", 154_880, streams: 1) {
                var best = 0
                for index in 1..<154_880 where a[index] > a[best] { best = index }
                y[0] = Float(best)
            },
            row(engine, "top 2048 by radix", 32_768, streams: 1) {
                selectLargest(a, count: 32_768, k: 2048, into: chosen)
            },
            row(engine, "top 2048", 32_768, streams: 1) {
                let order = (0..<32_768).sorted { a[$0] != a[$1] ? a[$0] > a[$1] : $0 < $1 }
                y[0] = Float(order.prefix(2048).sorted()[0])
            },
        ]
    }
}
