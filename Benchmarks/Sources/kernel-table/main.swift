// Times every loop of the engine on GLM-5's shapes and prints one table: formats, levels, the plain twin and OpenBLAS.
//
//     swift run -c release --package-path Benchmarks kernel-table [--filter TEXT] [--seconds S]
//
// One thread. A call with one token walks through 256 MiB of weights, so its GB/s are the memory's; its share is of
// streaming reads, that of several tokens of the best SGEMM, both measured right behind the call.

import GLMKernels
import KernelCases

var filter = ""
var seconds = 0.05
var words = Array(CommandLine.arguments.dropFirst())
while let word = words.first {
    words.removeFirst()
    guard let value = words.first, word == "--filter" || word == "--seconds" else {
        print("usage: kernel-table [--filter TEXT] [--seconds S]")
        exitWithUsage()
    }
    words.removeFirst()
    if word == "--filter" {
        filter = value
    } else if let number = Double(value), number > 0 {
        seconds = number
    } else {
        print("--seconds: '\(value)'; expected a number above 0")
        exitWithUsage()
    }
}

let blas = OpenBLAS.find()
let watch = Stopwatch(patience: seconds, blas: blas)
let levels = InstructionSet.available

func text(_ value: Double, _ digits: Int = 1) -> String {
    let scale = digits == 0 ? 1.0 : digits == 1 ? 10 : digits == 2 ? 100 : 1000
    return "\((value * scale).rounded() / scale)"
}

/// What binds a call, measured right behind it so that neighbours slow both; weights in cache are not bound by memory.
@MainActor
func share(_ item: KernelCase, reads: Double, computes: Double) -> Double {
    max(item.streams ? reads / watch.bandwidth() : 0, computes / watch.arithmetic())
}

@MainActor
func show(_ cases: [KernelCase]) {
    let wanted = cases.filter { filter.isEmpty || $0.name.contains(filter) }
    for item in wanted {
        let time = watch.seconds(item.run)
        let reads = Double(item.work.bytes) / time, computes = Double(item.work.operations) / time
        let share = item.work.operations == 0 ? "-" : text(share(item, reads: reads, computes: computes), 2)
        print(
            "| \(item.kernel) | \(item.shape) | \(item.format) | \(item.tokens) | \(item.engine.name) "
                + "| \(text(time * 1e6, 2)) | \(text(reads * 1e-9)) "
                + "| \(item.work.operations == 0 ? "-" : text(computes * 1e-9)) | \(share) |")
    }
}

print("one thread; OpenBLAS: \(blas.map { "\($0.library), \($0.coreType)" } ?? "none found")")
print("streaming reads \(text(watch.bandwidth() * 1e-9)) GB/s, ", terminator: "")
print("SGEMM \(text(watch.arithmetic() * 1e-9, 0)) GFLOP/s\n")
print("| kernel | shape | format | tokens | by | µs | GB/s | GFLOP/s | share of limit |")
print("|---|---|---|---|---|---|---|---|---|")
for shape in ProductCases.shapes {
    show(ProductCases.all(shape, levels: levels, isNaive: true, blas: blas))
}
for engine in levels.map({ KernelCase.Engine.level($0) }) + [.naive] {
    show(AttentionCases.all(engine))
    show(RowCases.all(engine))
}
