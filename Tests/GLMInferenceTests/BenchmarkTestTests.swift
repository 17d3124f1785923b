import GLMFiles
import GLMInference
import GLMTestSupport
import Testing

private func grid(
    _ prompts: String = "0", _ generations: String = "0", _ depths: String = "0", threads: String = "1",
    parallel: String = "", repetitions: Int = 1
) throws -> BenchmarkGrid {
    try BenchmarkGrid(
        prompts: prompts, generations: generations, depths: depths, threads: threads, parallel: parallel,
        repetitions: repetitions)
}

@Test func theGridIsAllCombinations() throws {
    let grid = try grid("512,2048", "64", "0,100", threads: "1,2", parallel: "4,8", repetitions: 3)
    #expect(
        grid.tests.map(\.name) == [
            "pp512", "pp2048", "tg64", "pp512 @ d100", "pp2048 @ d100", "tg64 @ d100", "tg48 x 4 @ d128",
            "tg48 x 8 @ d128",
        ])
    #expect(grid.threads == [1, 2])
    #expect(grid.tests.map(\.tokenCount) == [512, 2048, 64, 512, 2048, 64, 192, 384])
    #expect(grid.tests.map(\.contextSize) == [512, 2048, 64, 612, 2148, 164, 176, 176])
}

@Test func zeroLeavesATestOut() throws {
    #expect(try grid("0", "8").tests == [.decode(tokens: 8, depth: 0, sequences: 1)])
    #expect(try grid("8", "0").tests == [.prefill(tokens: 8, depth: 0)])
    #expect(try grid(parallel: "1").tests == [.decode(tokens: 48, depth: 128, sequences: 1)])
}

@Test(arguments: ["", "x", "1,", ",1", "1 2", "-1", "+1", "1.5", "99999999999999999999", "20000000"])
func badListsAreRefused(text: String) {
    expectRefused(.usage, containing: "--prompt-tokens", "'") { _ = try grid(text) }
    expectRefused(.usage, containing: "--depth") { _ = try grid("1", "1", text) }
}

@Test func badNumbersAreRefused() {
    expectRefused(.usage, containing: "nothing to measure") { _ = try grid() }
    expectRefused(.usage, containing: "--threads", "1 to 1024") { _ = try grid("1", threads: "0") }
    expectRefused(.usage, containing: "--parallel") { _ = try grid("1", parallel: "0") }
    expectRefused(.usage, containing: "--repetitions") { _ = try grid("1", repetitions: 0) }
}

@Test func aTestBeyondTheContextIsRefused() throws {
    let grid = try grid("100", "8", "0,30")
    try grid.validate(contextSize: 130)
    expectRefused(.usage, containing: "pp100 @ d30", "130", "at most 129") {
        try grid.validate(contextSize: 129)
    }
}
