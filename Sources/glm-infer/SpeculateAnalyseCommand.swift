internal import ArgumentParser
internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMModel
internal import GLMText

/// `speculate analyse`: where drafts stand and where they fail.
struct SpeculateAnalyseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "analyse", abstract: "Run prompts with and without drafts and see where drafts fail.",
        discussion: """
            Every prompt is answered plainly and with drafts; both answers must be equal. A draft is examined when all \
            before it in its round stood, so the shares in the table are conditional.

            --draft-noise replaces the MTP layer by drafts that are right except with this probability: a control, for \
            which the shares are known beforehand.
            """)

    @OptionGroup var promptSet: PromptSetOptions
    @OptionGroup var model: ModelOptions

    @Option(name: [.customShort("n"), .customLong("max-tokens")], help: "Tokens of each answer.")
    var maximumTokens = 64

    @Option(
        name: .long, parsing: .unconditional, help: "Divides the logits; 0 takes the most probable token.")
    var temperature: Float = 0

    @Option(name: .long, help: "Key of the randomness at other temperatures.")
    var seed: UInt64 = 0

    @Option(name: .customLong("speculative-num-steps"), help: "Drafted tokens on a path.")
    var steps = 3

    @Option(name: .customLong("speculative-eagle-topk"), help: "Children of a drafted token.")
    var topK = 1

    @Option(
        name: .customLong("speculative-num-draft-tokens"),
        help: "Rows verified in a round (default: steps + 1; of a tree steps x topk + 1).")
    var draftTokens: Int?

    @Option(name: .long, parsing: .unconditional, help: "Draft by chance: wrong with this probability.")
    var draftNoise: Double?

    @Option(name: .long, help: "Failed drafts to show with the text around them.")
    var failures = 10

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let parameters = SpeculationParameters(steps: .fixed(steps), topK: topK, draftTokens: draftTokens)
        try parameters.validate()
        if let draftNoise, !(0...1).contains(draftNoise) {
            throw InputError(
                .usage, subject: "--draft-noise", found: "\(draftNoise)", expected: "a number in [0, 1]")
        }
        guard maximumTokens >= 2 else {
            throw InputError(
                .usage, subject: "--max-tokens", found: "\(maximumTokens)", expected: "at least 2")
        }
        guard failures >= 0 else {
            throw InputError(.usage, subject: "--failures", found: "\(failures)", expected: "at least 0")
        }
        var sampling = SamplingParameters()
        sampling.temperature = temperature
        sampling.seed = seed
        let prepared = try PreparedModel(model)
        if draftNoise == nil { try PromptSetOptions.requireDraftLayer(prepared.documents) }
        try sampling.validate(vocabularySize: prepared.documents.configuration.vocabularySize)
        let prompts = try promptSet.load(prepared.documents, answer: maximumTokens)
        let loaded = try await prepared.load()
        let analysis = SpeculationAnalysis(
            loaded.model.model, prompts: prompts,
            plan: SpeculationAnalysis.Plan(
                shape: parameters.shape, tokens: maximumTokens, sampling: sampling, noise: draftNoise)
        ) { done in
            if Console.errorIsTerminal { Console.note("\r\(done) of \(prompts.count) prompts") }
        }
        if Console.errorIsTerminal { Console.note("\r") }
        let report = AnalysisReport(
            analysis: analysis, prompts: prompts, parameters: parameters, noise: draftNoise,
            tokenizer: loaded.model.tokenizer, failures: failures)
        try Console.output(json ? report.json.text(.compact) + "\n" : report.text)
    }
}
