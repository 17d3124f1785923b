// Times the pass over all weights, and opening a directory, with the files in the page cache.
//
//     GLM_BENCH=1 swift run -c release scan-bench DIRECTORY [threads]

import GLMKernels
import GLMWeights

let directory = CommandLine.arguments.dropFirst().first ?? "."
let threads = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? ThreadPool.availableProcessors
let pool = ThreadPool(threads: threads)

print("| threads \(threads) | ms | GB/s |")
print("|---|---|---|")
for round in 1...3 {
    // A fresh mapping each time: the page tables are empty again.
    let start = ContinuousClock.now
    let checkpoint = try Checkpoint.open(directory: directory)
    let opened = ContinuousClock.now
    try checkpoint.scan(pool: pool)
    let scanned = ContinuousClock.now
    try checkpoint.scan(pool: pool)
    let again = ContinuousClock.now
    let bytes = Double(checkpoint.byteCount)
    for (name, time) in [
        ("open, round \(round)", opened - start), ("first scan", scanned - opened),
        ("again, pages mapped", again - scanned),
    ] {
        let seconds = Double(time.components.attoseconds) * 1e-18 + Double(time.components.seconds)
        let rate = (bytes / seconds / 1e7).rounded() / 100
        print("| \(name) | \((seconds * 1e4).rounded() / 10) | \(name.hasPrefix("open") ? "" : "\(rate)") |")
    }
}
