internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMModel
internal import GLMParallel

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What a run cost, as a line for people and as JSON for programs.
struct RunReport {
    var summary: GenerationSummary
    /// From the start of loading to the end of it.
    var loading: Duration
    /// What the products did to their inputs.
    var numerics: ProductArithmetic
    /// What multiplied weights by tokens.
    var gemm: GEMMBackend
    /// How the caches were stored.
    var cacheFormat: CacheFormat
    /// What the devices exchanged, when there are several.
    var traffic: TrafficReport?
    /// Whether and how tokens were drafted.
    var speculation: SpeculationParameters?

    /// The closing line on standard error.
    var line: String {
        let first = summary.timeToFirstToken.map(Figure.seconds) ?? "-"
        return """
            prompt: \(summary.promptTokens) tokens, \(rate(summary.promptTokensPerSecond)) tok/s | \
            generation: \(summary.completionTokens) tokens, \(rate(summary.generationTokensPerSecond)) tok/s | \
            time to first token: \(first) | peak memory: \(Figure.bytes(RunReport.peakMemory))

            """ + (speculationReport?.lines ?? "")
    }

    private var speculationReport: SpeculationReport? {
        guard let speculation, let statistics = summary.speculation else { return nil }
        return SpeculationReport(parameters: speculation, statistics: statistics)
    }

    /// `{text, token_ids, prompt_token_ids, finish_reason, usage, numerics, gemm, kv_cache_dtype, timings}`,
    /// `speculation` where tokens were drafted, `traffic` when several devices share the model, and `more`.
    func json(_ completion: Completion, prompt: [Int32], more: [JSON.Member] = []) -> JSON {
        .object(
            [
                JSON.Member("text", .string(completion.text)),
                JSON.Member("token_ids", .array(completion.tokens.map { .integer(Int($0)) })),
                JSON.Member("prompt_token_ids", .array(prompt.map { .integer(Int($0)) })),
                JSON.Member("finish_reason", .string(summary.finishReason.word)),
                JSON.Member("usage", usage),
                JSON.Member("numerics", .string(numerics.rawValue)),
                JSON.Member("gemm", .string(gemm.rawValue)),
                JSON.Member("kv_cache_dtype", .string(cacheFormat.rawValue)),
                JSON.Member("timings", timings),
            ] + drafts + (traffic.map { [JSON.Member("traffic", $0.json)] } ?? []) + more)
    }

    /// `speculation`, where tokens were drafted.
    var drafts: [JSON.Member] { speculationReport.map { [JSON.Member("speculation", $0.json)] } ?? [] }

    /// Tokens of prompt, answer, and both.
    var usage: JSON {
        .object([
            JSON.Member("prompt_tokens", .integer(summary.promptTokens)),
            JSON.Member("completion_tokens", .integer(summary.completionTokens)),
            JSON.Member("total_tokens", .integer(summary.promptTokens + summary.completionTokens)),
        ])
    }

    /// Seconds, and tokens a second; null where nothing was measured.
    private var timings: JSON {
        .object([
            JSON.Member("load", number(loading)),
            JSON.Member("time_to_first_token", number(summary.timeToFirstToken)),
            JSON.Member("prompt", number(summary.promptTime)),
            JSON.Member("generation", number(summary.generationTime)),
            JSON.Member("prompt_tokens_per_second", number(summary.promptTokensPerSecond)),
            JSON.Member("generation_tokens_per_second", number(summary.generationTokensPerSecond)),
            JSON.Member("peak_memory_bytes", .integer(RunReport.peakMemory)),
        ])
    }

    private func rate(_ value: Double?) -> String { value.map { Figure.decimal($0, 1) } ?? "-" }

    private func number(_ value: Double?) -> JSON {
        value.map { .number(Figure.decimal($0, 6)) } ?? .null
    }

    private func number(_ value: Duration?) -> JSON { number(value.map { $0 / .seconds(1) }) }

    /// The largest resident size of this process so far, mapped weights included, in bytes.
    static var peakMemory: Int { highWaterMark ?? largestOfUsage }

    /// What Linux says of this program alone: `getrusage` also counts the program that it was executed by.
    private static var highWaterMark: Int? {
        guard let file = unsafe fopen("/proc/self/status", "r") else { return nil }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while unsafe fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("VmHWM:") else { continue }
            return Int(text.filter(\.isNumber)).map { $0 * 1024 }
        }
        return nil
    }

    private static var largestOfUsage: Int {
        var usage = rusage()
        #if canImport(Glibc)
            guard unsafe getrusage(Int32(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        #else
            guard unsafe getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
        #endif
        #if canImport(Darwin)
            return usage.ru_maxrss
        #else
            return usage.ru_maxrss * 1024
        #endif
    }
}
