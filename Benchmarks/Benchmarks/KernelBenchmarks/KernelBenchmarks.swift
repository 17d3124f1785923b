import Benchmark
import GLMKernels
import KernelCases

// Instructions of the loops on GLM-5's shapes: a count that neighbours on the machine do not change. Run with
// `swift package --package-path Benchmarks benchmark`;
// `thresholds update` keeps them for later comparison.
let benchmarks: @Sendable () -> Void = {
    let level = KernelCase.Engine.level(.selected)
    let products = ProductCases.shapes.filter { $0.name.hasPrefix("expert") || $0.name.hasPrefix("latent") }
        .flatMap { ProductCases.all($0, levels: [.selected], blas: nil) }
        .filter { $0.engine == level }
    for item in products + AttentionCases.all(level) + RowCases.all(level) {
        // A benchmark runs on one thread, one after the other; memory and closures are its alone.
        nonisolated(unsafe) let run = item.run
        Benchmark(
            item.name,
            configuration: Benchmark.Configuration(
                metrics: [.wallClock, .instructions, .throughput], maxDuration: .milliseconds(200),
                thresholds: [.instructions: BenchmarkThresholds(relative: [.p50: 3])])
        ) { benchmark in
            for _ in benchmark.scaledIterations { run() }
        }
    }
}
