package import GLMFiles

/// One figure of the benchmark: what is run, apart from threads and repetitions.
package enum BenchmarkTest: Sendable, Equatable {
    /// A prompt of `tokens` behind `depth` tokens that are already cached.
    case prefill(tokens: Int, depth: Int)
    /// `tokens` steps of one token each behind `depth` cached tokens, for each of `sequences` in one batch.
    case decode(tokens: Int, depth: Int, sequences: Int)

    /// Tokens that are computed, all sequences together.
    package var tokenCount: Int {
        switch self {
        case .prefill(let tokens, _): tokens
        case .decode(let tokens, _, let sequences): tokens * sequences
        }
    }

    /// Tokens a sequence holds at the end.
    package var contextSize: Int {
        switch self {
        case .prefill(let tokens, let depth), .decode(let tokens, let depth, _): tokens + depth
        }
    }

    /// `pp512`, `pp512 @ d2048`, `tg64`, `tg48 x 8 @ d128`.
    package var name: String {
        switch self {
        case .prefill(let tokens, let depth): "pp\(tokens)" + BenchmarkTest.suffix(depth)
        case .decode(let tokens, let depth, let sequences):
            "tg\(tokens)" + (sequences == 1 ? "" : " x \(sequences)") + BenchmarkTest.suffix(depth)
        }
    }

    private static func suffix(_ depth: Int) -> String { depth == 0 ? "" : " @ d\(depth)" }
}

/// All combinations that one call asks for.
package struct BenchmarkGrid: Sendable, Equatable {
    /// Prompt of each of several sequences that decode together, in tokens.
    package static let parallelPrompt = 128
    /// Tokens that each of them decodes.
    package static let parallelTokens = 48

    package var prompts: [Int]
    package var generations: [Int]
    package var depths: [Int]
    package var threads: [Int]
    package var parallel: [Int]
    package var repetitions: Int

    /// Reads lists as the command line gives them.
    ///
    /// - Parameters:
    ///   - prompts: lengths of prompts; 0 leaves prefill out.
    ///   - generations: tokens to decode; 0 leaves decoding out.
    ///   - depths: tokens cached before either begins.
    ///   - parallel: numbers of sequences that decode in one batch; empty for none.
    ///   - repetitions: how often every test is timed, 1 to 1000.
    /// - Throws: `usage` for anything but whole numbers in their range, separated by commas.
    package init(
        prompts: String, generations: String, depths: String, threads: String, parallel: String,
        repetitions: Int
    ) throws(InputError) {
        let longest = 1 << 24
        self.prompts = try BenchmarkGrid.list(prompts, "--prompt-tokens", 0...longest)
        self.generations = try BenchmarkGrid.list(generations, "--new-tokens", 0...longest)
        self.depths = try BenchmarkGrid.list(depths, "--depth", 0...longest)
        self.threads = try BenchmarkGrid.list(threads, "--threads", 1...1024)
        self.parallel =
            parallel.isEmpty ? [] : try BenchmarkGrid.list(parallel, "--parallel", 1...4096)
        guard (1...1000).contains(repetitions) else {
            throw InputError(
                .usage, subject: "--repetitions", found: "\(repetitions)", expected: "1 to 1000")
        }
        self.repetitions = repetitions
        guard !tests.isEmpty else {
            throw InputError(
                .usage, found: "nothing to measure",
                expected: "a length other than 0 in --prompt-tokens, --new-tokens or --parallel")
        }
    }

    /// The tests of one number of threads, in the order of llama-bench: prompts, generations, then batches.
    package var tests: [BenchmarkTest] {
        var tests: [BenchmarkTest] = []
        for depth in depths {
            tests += prompts.filter { $0 > 0 }.map { .prefill(tokens: $0, depth: depth) }
            tests += generations.filter { $0 > 0 }.map { .decode(tokens: $0, depth: depth, sequences: 1) }
        }
        return tests
            + parallel.map {
                .decode(
                    tokens: BenchmarkGrid.parallelTokens, depth: BenchmarkGrid.parallelPrompt, sequences: $0)
            }
    }

    /// - Throws: `usage` for a test that needs more than `contextSize` tokens.
    package func validate(contextSize: Int) throws(InputError) {
        for test in tests where test.contextSize > contextSize {
            throw InputError(
                .usage, subject: test.name, found: "a context of \(test.contextSize) tokens",
                expected: "at most \(contextSize), what the model was made for")
        }
    }

    /// `512,2048`
    private static func list(_ text: String, _ subject: String, _ range: ClosedRange<Int>) throws(InputError)
        -> [Int]
    {
        var numbers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(part), range.contains(number), part.first?.isNumber == true else {
                throw InputError(
                    .usage, subject: subject, found: "'\(part)'",
                    expected: "whole numbers from \(range.lowerBound) to \(range.upperBound), with commas")
            }
            numbers.append(number)
        }
        return numbers
    }
}
