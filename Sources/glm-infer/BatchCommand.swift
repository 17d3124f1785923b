internal import ArgumentParser
internal import GLMDecoding
internal import GLMFiles
internal import GLMInference
internal import GLMParallel
internal import GLMText

/// `batch`: answers a file of requests.
struct BatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "batch", abstract: "Answer a file of requests, several at a time.",
        discussion: """
            A request is a line of JSON: {"prompt": TEXT}, in which names of special tokens become these tokens, or \
            {"messages", "tools", "kwargs"} as 'render' takes them. Each answer is a line of JSON too, in the order of the \
            requests.
            """)

    @Option(name: [.customShort("f"), .long], help: "File with the requests; - reads standard input.")
    var file: String = "-"

    @Option(name: .long, help: "Requests answered at the same time; changes no answer.")
    var parallel = 16

    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var speculation: SpeculationOptions

    func run() async throws {
        guard (1...1024).contains(parallel) else {
            throw InputError(.usage, subject: "--parallel", found: "\(parallel)", expected: "1 to 1024")
        }
        let prepared = try PreparedModel(model)
        let requests = try requests(prepared)
        let loaded = try await prepared.load()
        defer { loaded.model.model.disband() }
        var running: [(request: BatchRequest, answer: Answer)] = []
        for request in requests {
            if running.count == parallel { try await finish(&running, loaded) }
            running.append(
                (
                    request,
                    try await Answer.start(
                        request.prompt, loaded.model, sampling, speculation, verbose: false)
                ))
        }
        while !running.isEmpty { try await finish(&running, loaded) }
        if model.devices.areSeveral { Console.note(loaded.model.traffic.table) }
    }

    /// All requests, checked: what cannot be answered is refused before the first answer.
    private func requests(_ prepared: PreparedModel) throws(InputError) -> [BatchRequest] {
        let source = try ByteSource.open(file)
        var requests: [BatchRequest] = []
        var number = 0
        while let line = try source.readLine() {
            number += 1
            guard !line.isEmpty else { continue }
            let request = try BatchRequest(
                line, source: "\(source.name): line \(number)", prepared.documents.tokenizer)
            try prepared.check(request.prompt, sampling, speculation)
            requests.append(request)
        }
        return requests
    }

    /// Waits for the oldest answer and prints it.
    private func finish(
        _ running: inout [(request: BatchRequest, answer: Answer)], _ loaded: LoadedModel
    ) async throws(InputError) {
        let (request, answer) = running.removeFirst()
        let completion = try await answer.collect { _ in }
        try Console.output(request.json(completion, loaded, speculation.parameters()).text(.compact) + "\n")
    }
}

/// One line of a file of requests.
struct BatchRequest {
    let prompt: [Int32]
    /// nil for a raw prompt, whose answer is only text.
    private let style: ConversationStyle?

    init(_ line: [UInt8], source: String, _ tokenizer: Tokenizer) throws(InputError) {
        let document = try JSONDocument(parsing: line, source: source)
        if let raw = document.root["prompt"] {
            guard let text = raw.string else {
                throw InputError(
                    .badInput, file: source, subject: "prompt", found: "no text", expected: "a string")
            }
            prompt = try tokenizer.encode([.markup(text)])
            style = nil
        } else {
            let request = try ChatRequest(json: line, source: source)
            prompt = try tokenizer.encode(ChatTemplate().render(request))
            style = ConversationStyle(
                tools: request.tools, thinking: request.options.enableThinking != false)
        }
    }

    /// `{text, token_ids, finish_reason, usage}`, `speculation` where tokens were drafted, and the `message` of a
    /// conversation.
    func json(
        _ completion: Completion, _ loaded: LoadedModel, _ speculation: SpeculationParameters?
    ) -> JSON {
        let summary = completion.summary
        let report = RunReport(
            summary: summary, loading: loaded.loading, numerics: loaded.numerics, gemm: loaded.gemm,
            cacheFormat: loaded.cacheFormat, speculation: speculation)
        var members = [
            JSON.Member("text", .string(completion.text)),
            JSON.Member("token_ids", .array(completion.tokens.map { .integer(Int($0)) })),
            JSON.Member("finish_reason", .string(summary.finishReason.word)),
            JSON.Member("usage", report.usage),
        ]
        members += report.drafts
        if let style {
            let turn = Turn(prompt: prompt, completion: completion, report: report, style: style)
            members.append(JSON.Member("message", turn.messageJSON))
        }
        return .object(members)
    }
}
