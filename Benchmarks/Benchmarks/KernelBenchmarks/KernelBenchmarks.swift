import Benchmark
import GLMKernels
import KernelCases

// Instructions and allocations of the loops on GLM-5's shapes: counts that neighbours on the machine do not change. Run
// with `swift package --package-path Benchmarks benchmark`; `thresholds update` keeps them for later comparison, and
// leaves out what the machine does not count.
let benchmarks: @Sendable () -> Void = {
    for item in CountedCases.all(.selected) {
        // A benchmark runs on one thread, one after the other; memory and closures are its alone.
        nonisolated(unsafe) let run = item.run
        Benchmark(
            item.name,
            configuration: Benchmark.Configuration(
                metrics: [.wallClock, .instructions, .throughput, .mallocCountTotal],
                maxDuration: .milliseconds(200),
                thresholds: [
                    .instructions: BenchmarkThresholds(relative: [.p50: 3]),
                    .mallocCountTotal: BenchmarkThresholds(absolute: [.p50: 1]),
                ])
        ) { benchmark in
            for _ in benchmark.scaledIterations { run() }
        }
    }
}
