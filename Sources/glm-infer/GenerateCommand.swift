internal import ArgumentParser
internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMParallel
internal import GLMText

/// `generate`: continues a raw prompt.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continue a prompt.",
        discussion: """
            The prompt is taken as it is: names of special tokens in it, such as <|user|>, become these tokens. Use \
            'chat' for text from outside.

            What no option says comes from the model's generation_config.json, then from GLM's recommendation: \
            temperature 1, top-p 0.95.
            """)

    @OptionGroup var prompt: PromptOptions
    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var speculation: SpeculationOptions
    @OptionGroup var profiling: ProfileOptions

    @Flag(name: .long, help: "Print one JSON object at the end instead of streaming text.")
    var json = false

    func run() async throws {
        // What can be refused without weights is refused before they are read.
        try profiling.check()
        let (bytes, source) = try prompt.load()
        let profile = profiling.isWanted ? Profile() : nil
        let prepared = try PreparedModel(model, profile: profile, seed: sampling.seed?.seed)
        let tokens = try prepared.documents.tokenizer.encode(
            bytes: bytes, source: source, specialTokens: .parse, limit: prepared.documents.contextSize)
        try prepared.check(tokens, sampling, speculation)
        let loaded = try await prepared.load()
        let answer = try await Answer.start(
            tokens, loaded.model, sampling, speculation, verbose: model.verbose)
        let completion = try await answer.collect { text throws(InputError) in
            if !json { try Console.output(text) }
        }
        let report = RunReport(
            summary: completion.summary, loading: loaded.loading, numerics: loaded.numerics,
            gemm: loaded.gemm, cacheFormat: loaded.cacheFormat,
            traffic: model.devices.areSeveral ? loaded.model.traffic : nil,
            speculation: speculation.parameters())
        if json {
            try Console.output(report.json(completion, prompt: tokens).text(.compact) + "\n")
        } else {
            if !completion.text.hasSuffix("\n") { try Console.output("\n") }
        }
        Console.note(report.line)
        if let traffic = report.traffic { Console.note(traffic.table) }
        loaded.model.model.disband()
        if let profile { try profiling.deliver(ProfileReport(profile), title: "glm-infer generate") }
    }
}
