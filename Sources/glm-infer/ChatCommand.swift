internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMParallel
internal import GLMText

/// `chat`: a conversation, or one turn of it.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk to a model.",
        discussion: """
            Ctrl-C stops the answer; at the prompt it ends the program, as the end of input and /exit do. /clear forgets \
            the conversation. With --tools, a call is shown as '→ NAME ARGUMENTS', and /result TEXT gives the model what the \
            tool answered.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var speculation: SpeculationOptions

    @Option(name: .long, parsing: .unconditional, help: "Answer this one message and end.")
    var message: String?

    @Option(name: .long, parsing: .unconditional, help: "The system message.")
    var system: String?

    @Option(name: .long, help: "JSON file with a list of tools the model may call.")
    var tools: String?

    @Option(
        name: .long,
        help: "JSON file with what was said so far: a list of messages, calls and results of tools included.")
    var messages: String?

    @Flag(name: .long, inversion: .prefixedNo, help: "Let the model reason before it answers.")
    var thinking = true

    @Flag(
        name: .long,
        help: "With --message or --messages: print one JSON object at the end instead of streaming text.")
    var json = false

    func validate() throws {
        if json && message == nil && messages == nil {
            throw ValidationError("--json needs --message or --messages")
        }
    }

    /// Takes the place of `run()`: an answer needs Ctrl-C for itself.
    func run(_ interrupts: Interrupts) async throws {
        guard message != "" else {
            throw InputError(.badInput, subject: "--message", found: "an empty text", expected: "a message")
        }
        let style = ConversationStyle(tools: try definitions(), thinking: thinking)
        let history = try history()
        // What waits for an answer gets one, and the command ends; else a conversation begins.
        let isAsked = message != nil || history.last.map { $0.role == .user || $0.role == .tool } ?? false
        guard isAsked || !json else {
            throw InputError(
                .badInput, file: messages, found: "nothing that waits for an answer",
                expected: "a user's or tool's message at the end")
        }
        let prepared = try PreparedModel(model)
        // In a conversation a greeting stands for the first message: options that are wrong are so for all of them.
        let question = message.map { [ChatMessage(.user, $0)] } ?? []
        let first = history + (isAsked ? question : [ChatMessage(.user, "Hi")])
        try prepared.check(style.prompt(first, prepared.documents.tokenizer), sampling, speculation)
        let loaded = try await prepared.load()
        defer { loaded.model.model.disband() }
        var conversation = Conversation(
            loaded: loaded, sampling: sampling, speculation: speculation, style: style,
            verbose: model.verbose,
            messages: history + question)
        guard isAsked else {
            try await talk(&conversation, interrupts)
            if model.devices.areSeveral { Console.note(loaded.model.traffic.table) }
            return
        }
        var turn = try await conversation.goOn(interrupts: interrupts, streams: !json)
        if model.devices.areSeveral { turn.report.traffic = loaded.model.traffic }
        if json { try Console.output(turn.json.text(.compact) + "\n") }
        Console.note(turn.report.line)
        if let traffic = turn.report.traffic { Console.note(traffic.table) }
    }

    private func definitions() throws(InputError) -> [ToolDefinition] {
        guard let tools else { return [] }
        let source = try ByteSource.open(tools)
        return try ToolDefinition.list(
            json: source.readAll(limit: PromptOptions.limit), source: source.name)
    }

    /// The system message, then what was said so far.
    private func history() throws(InputError) -> [ChatMessage] {
        let first = system.map { [ChatMessage(.system, $0)] } ?? []
        guard let messages else { return first }
        let source = try ByteSource.open(messages)
        return try first
            + ChatMessage.list(json: source.readAll(limit: PromptOptions.limit), source: source.name)
    }

    private func talk(_ conversation: inout Conversation, _ interrupts: Interrupts) async throws {
        let input = try ByteSource.open("-")
        while true {
            if Console.inputIsTerminal { try Console.output("> ") }
            guard let line = try input.readLine() else { break }
            guard let text = String(validating: line, as: UTF8.self) else {
                Console.complain("standard input: a line that is not UTF-8; nothing was sent")
                continue
            }
            switch text {
            case "": continue
            case "/exit": return
            case "/clear": conversation.clear()
            default:
                guard let message = said(text, in: &conversation) else { continue }
                do throws(InputError) {
                    let turn = try await conversation.answer(message, interrupts: interrupts, streams: true)
                    if model.verbose { Console.note(turn.report.line) }
                } catch {
                    // What cannot be answered, such as a message that is too long, does not end the conversation.
                    guard error.kind != .inputOutput else { throw error }
                    Console.complain(error.description)
                }
            }
        }
        if Console.inputIsTerminal { try Console.output("\n") }
    }

    /// What a line says: a user's message, or with `/result` a tool's. nil when nothing is to be answered yet.
    private func said(_ line: String, in conversation: inout Conversation) -> ChatMessage? {
        guard line.hasPrefix("/result ") else { return ChatMessage(.user, line) }
        let result = String(line.dropFirst("/result ".count))
        switch conversation.openCalls {
        case 0:
            Console.complain("/result: no call waits for one; nothing was sent")
            return nil
        case 1: return ChatMessage(.tool, result)
        default:
            conversation.note(result: result)
            return nil
        }
    }
}
