import GLMFiles
import GLMInference
import GLMKernels
import GLMParallel
import GLMTestSupport
import Testing

private let limits = MachineLimits(bandwidth: 10e9, arithmetic: 100e9)

/// 4 tokens of 1 GB and 2 GFLOP each, in half and in a whole second.
private let result = BenchmarkResult(
    test: .decode(tokens: 4, depth: 0, sequences: 1), threads: 2,
    repetitions: [0.5, 1].map {
        BenchmarkResult.Repetition(
            tokens: 4, seconds: $0, work: Work(bytes: 4_000_000_000, operations: 8_000_000_000),
            limits: limits)
    })

private func table(_ format: BenchmarkTable.Format) -> BenchmarkTable {
    BenchmarkTable(
        format,
        subject: BenchmarkTable.Subject(
            model: "a,\"b\"", weights: "BF16", bytes: 2_000_000_000, machine: [("processor", "P")]))
}

@Test func figuresFollowFromTheRepetitions() {
    #expect(result.tokensPerSecond == Spread([8, 4]))
    #expect(result.tokensPerSecond.mean == 6)
    #expect(abs(result.tokensPerSecond.deviation - 8.0.squareRoot()) < 1e-12)
    #expect(result.bytesPerToken == 1e9 && result.operationsPerToken == 2e9)
    #expect(result.secondsPerToken == 1.5 / 8)
    #expect(result.bound == .memory)
    #expect(result.shareOfLimit.mean == (0.4 / 0.5 + 0.4 / 1) / 2)
    #expect(Spread([3]).deviation == 0)
}

@Test func whateverTakesLongerBinds() {
    var slow = result
    for index in slow.repetitions.indices { slow.repetitions[index].limits.arithmetic = 10e9 }
    #expect(slow.bound == .arithmetic)
    #expect(slow.repetitions[0].shareOfLimit == 0.8 / 0.5)
}

@Test func markdownHasOneWidth() {
    let text = table(.markdown).header + table(.markdown).row(result, isFirst: true)
    let lines = text.split(separator: "\n")
    #expect(lines[0] == "processor: P")
    #expect(lines.count == 4)
    let bars = lines.dropFirst().map { line in
        line.indices.filter { line[$0] == "|" }.map { line.distance(from: line.startIndex, to: $0) }
    }
    #expect(bars[0] == bars[1] && bars[0] == bars[2])
    #expect(lines[3].contains("| 6.00 ± 2.83 "))
    #expect(lines[3].contains("| memory "))
    #expect(lines[3].contains("| 0.600 ± 0.283 "))
}

@Test func csvHasAHeaderAndQuotes() {
    let lines = (table(.csv).header + table(.csv).row(result, isFirst: true) + table(.csv).footer())
        .split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("model,weights,model_bytes,threads,test,tokens_per_second,"))
    #expect(lines[1].hasPrefix("\"a,\"\"b\"\"\",BF16,2000000000,2,tg4,6.0,"))
}

@Test func jsonIsOneDocument() throws {
    let table = table(.json)
    let text =
        table.header + table.row(result, isFirst: true) + table.row(result, isFirst: false) + table.footer()
    let root = try JSONDocument(parsing: Array(text.utf8), source: "bench").root
    #expect(root["machine"]?["processor"]?.string == "P")
    let results = try #require(root["results"]?.elements)
    #expect(results.count == 2)
    #expect(results[1]["model"]?.string == "a,\"b\"")
    #expect(results[1]["bytes_per_token"]?.double == 1e9)
    #expect(results[1]["repetitions"]?.elements?.count == 2)
    #expect(results[1]["repetitions"]?.elements?[0]["seconds"]?.double == 0.5)
    let empty = table.header + table.footer()
    #expect(
        try JSONDocument(parsing: Array(empty.utf8), source: "bench").root["results"]?.elements?.isEmpty
            == true)
}

@Test func ledgersStandBesideTheResults() throws {
    let ledger = TrafficLedger()
    ledger.add(
        TrafficLedger.Key(.allReduce, CollectiveSite(.attention, layer: 2)), elements: 5, time: .zero)
    let traffic = BenchmarkTable.Ledger(threads: 2, traffic: TrafficReport(devices: [ledger.entries]))
    let table = table(.json)
    let text = table.header + table.row(result, isFirst: true) + table.footer([traffic])
    let root = try JSONDocument(parsing: Array(text.utf8), source: "bench").root
    #expect(root["results"]?.elements?.count == 1)
    #expect(root["traffic"]?.elements?[0]["threads"]?.integer == 2)
    #expect(root["traffic"]?.elements?[0]["collectives"]?.elements?[0]["bytes"]?.integer == 20)
    #expect(table.footer().contains("traffic") == false)
}
