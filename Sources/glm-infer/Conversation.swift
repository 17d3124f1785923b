internal import GLMFiles
internal import GLMInference
internal import GLMText

/// What every prompt of a conversation has in common.
struct ConversationStyle {
    var tools: [ToolDefinition]
    var thinking: Bool

    /// The prompt that asks for what comes after `messages`.
    func prompt(_ messages: [ChatMessage], _ tokenizer: Tokenizer) throws(InputError) -> [Int32] {
        try tokenizer.encode(
            ChatTemplate().render(
                messages, tools: tools,
                options: ChatTemplate.Options(enableThinking: thinking ? nil : false)))
    }
}

/// What was said so far, and how it goes on.
struct Conversation {
    let loaded: LoadedModel
    let sampling: SamplingOptions
    let speculation: SpeculationOptions
    let style: ConversationStyle
    let verbose: Bool
    private(set) var messages: [ChatMessage]

    init(
        loaded: LoadedModel, sampling: SamplingOptions, speculation: SpeculationOptions,
        style: ConversationStyle, verbose: Bool,
        messages: [ChatMessage]
    ) {
        self.loaded = loaded
        self.sampling = sampling
        self.speculation = speculation
        self.style = style
        self.verbose = verbose
        self.messages = messages
    }

    /// Forgets everything but the system message.
    mutating func clear() {
        messages.removeAll { $0.role != .system }
    }

    /// Calls of the last answer that nobody has given a result for.
    var openCalls: Int {
        guard let answer = messages.lastIndex(where: { $0.role != .tool }) else { return 0 }
        return max(0, messages[answer].toolCalls.count - (messages.count - answer - 1))
    }

    /// Takes the result of a call without answering: another one is still open.
    mutating func note(result: String) { messages.append(ChatMessage(.tool, result)) }

    /// Sends a message and shows the answer as it comes. Ctrl-C meanwhile ends the answer; what was said stays.
    ///
    /// A message that cannot be answered is forgotten.
    mutating func answer(_ message: ChatMessage, interrupts: Interrupts, streams: Bool)
        async throws(InputError)
        -> Turn
    {
        messages.append(message)
        do throws(InputError) {
            return try await goOn(interrupts: interrupts, streams: streams)
        } catch {
            messages.removeLast()
            throw error
        }
    }

    /// Answers what was said last.
    mutating func goOn(interrupts: Interrupts, streams: Bool) async throws(InputError) -> Turn {
        let prompt = try style.prompt(messages, loaded.model.tokenizer)
        let answer = try await Answer.start(
            prompt, loaded.model, sampling, speculation, verbose: verbose)
        var display = AnswerDisplay(
            thinking: style.thinking, tools: style.tools, isStyled: streams && Console.outputIsTerminal)
        let completion = try await interrupts.handling({ answer.generation.cancel() }) {
            () throws(InputError) in
            try await answer.collect { text throws(InputError) in
                if streams { try Console.output(display.show(text)) }
            }
        }
        if streams { try Console.output(display.finish()) }
        let turn = Turn(
            prompt: prompt, completion: completion,
            report: RunReport(
                summary: completion.summary, loading: loaded.loading, numerics: loaded.numerics,
                gemm: loaded.gemm, cacheFormat: loaded.cacheFormat, speculation: speculation.parameters()),
            style: style)
        messages.append(try turn.message())
        return turn
    }
}
