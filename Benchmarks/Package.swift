// swift-tools-version: 6.1
import PackageDescription

// Microbenchmarks of the loops, outside the dependency graph of those who use the engine. Only public products of
// the package above are in reach.
let package = Package(
    name: "kernel-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "glm-infer", path: ".."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        // What is timed: shapes, memory, calls.
        .target(
            name: "KernelCases", dependencies: [.product(name: "GLMKernels", package: "glm-infer")]),
        // All of them in one table, with the limits of the machine.
        .executableTarget(name: "kernel-table", dependencies: ["KernelCases"]),
        // Some of them, each called once under a name that a simulated processor can count by.
        .executableTarget(name: "kernel-count", dependencies: ["KernelCases"]),
        // Some of them with counts of instructions, and thresholds on these.
        .executableTarget(
            name: "KernelBenchmarks",
            dependencies: ["KernelCases", .product(name: "Benchmark", package: "benchmark")],
            path: "Benchmarks/KernelBenchmarks",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    ],
    swiftLanguageModes: [.v6]
)
