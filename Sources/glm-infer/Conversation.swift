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
    let style: ConversationStyle
    let verbose: Bool
    private(set) var messages: [ChatMessage]

    init(
        loaded: LoadedModel, sampling: SamplingOptions, style: ConversationStyle, verbose: Bool,
        messages: [ChatMessage]
    ) {
        self.loaded = loaded
        self.sampling = sampling
        self.style = style
        self.verbose = verbose
        self.messages = messages
    }

    /// Forgets everything but the system message.
    mutating func clear() {
        messages.removeAll { $0.role != .system }
    }

    /// Sends a message and shows the answer as it comes. Ctrl-C meanwhile ends the answer; what was said stays.
    ///
    /// A message that cannot be answered is forgotten.
    mutating func answer(_ text: String, interrupts: Interrupts, streams: Bool) async throws(InputError)
        -> Turn
    {
        messages.append(ChatMessage(.user, text))
        do throws(InputError) {
            let turn = try await next(interrupts, streams: streams)
            messages.append(turn.message(thinking: style.thinking))
            return turn
        } catch {
            messages.removeLast()
            throw error
        }
    }

    private func next(_ interrupts: Interrupts, streams: Bool) async throws(InputError) -> Turn {
        let prompt = try style.prompt(messages, loaded.model.tokenizer)
        let answer = try await Answer.start(prompt, loaded.model, sampling, verbose: verbose)
        var shown = StyledReasoning(isStyled: streams && style.thinking && Console.outputIsTerminal)
        let completion = try await interrupts.handling({ answer.generation.cancel() }) {
            () throws(InputError) in
            try await answer.collect { text throws(InputError) in
                if streams { try Console.output(shown.style(text)) }
            }
        }
        if streams { try Console.output(shown.end() + "\n") }
        return Turn(
            prompt: prompt, completion: completion,
            report: RunReport(
                summary: completion.summary, loading: loaded.loading, numerics: loaded.numerics,
                cacheFormat: loaded.cacheFormat))
    }
}

/// One answer of a conversation.
struct Turn {
    var prompt: [Int32]
    var completion: Completion
    var report: RunReport

    /// Reasoning and answer apart. With thinking, everything before the first `</think>` is reasoning, and an answer
    /// without it is nothing else.
    func message(thinking: Bool) -> ChatMessage {
        let text = completion.text
        guard thinking else { return ChatMessage(.assistant, text) }
        guard let border = text.firstRange(of: StyledReasoning.marker) else {
            return ChatMessage(.assistant, "", reasoning: text)
        }
        return ChatMessage(
            .assistant, String(text[border.upperBound...]), reasoning: String(text[..<border.lowerBound]))
    }

    /// The object that `--json` prints.
    var json: JSON { report.json(completion, prompt: prompt) }
}

/// Reasoning dim, the rest not, for terminals. Changes no character of the text.
struct StyledReasoning {
    static let marker = "</think>"

    private let isStyled: Bool
    private var isInReasoning: Bool
    private var isFirst = true

    init(isStyled: Bool) {
        self.isStyled = isStyled
        isInReasoning = isStyled
    }

    /// `text` with what switches the style. The marker is one token, so it comes in one piece.
    mutating func style(_ text: String) -> String {
        guard isStyled else { return text }
        defer { isFirst = false }
        let begin = isFirst ? "\u{1b}[2m" : ""
        guard isInReasoning, let border = text.firstRange(of: StyledReasoning.marker) else {
            return begin + text
        }
        isInReasoning = false
        return begin + text[..<border.upperBound] + "\u{1b}[0m" + text[border.upperBound...]
    }

    /// Switches back.
    func end() -> String { isInReasoning ? "\u{1b}[0m" : "" }
}
