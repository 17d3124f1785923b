internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMText

/// `chat`: a conversation, or one turn of it.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat", abstract: "Talk to a model.",
        discussion: """
            Ctrl-C stops the answer; at the prompt it ends the program, as the end of input and /exit do. /clear forgets \
            the conversation.
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var sampling: SamplingOptions

    @Option(name: .long, parsing: .unconditional, help: "Answer this one message and end.")
    var message: String?

    @Option(name: .long, parsing: .unconditional, help: "The system message.")
    var system: String?

    @Option(name: .long, help: "JSON file with a list of tools the model may call.")
    var tools: String?

    @Flag(name: .long, inversion: .prefixedNo, help: "Let the model reason before it answers.")
    var thinking = true

    @Flag(name: .long, help: "With --message: print one JSON object at the end instead of streaming text.")
    var json = false

    func validate() throws {
        if json && message == nil { throw ValidationError("--json needs --message") }
    }

    /// Takes the place of `run()`: an answer needs Ctrl-C for itself.
    func run(_ interrupts: Interrupts) async throws {
        let definitions = try tools.map { path throws(InputError) in
            let source = try ByteSource.open(path)
            return try ToolDefinition.list(
                json: source.readAll(limit: PromptOptions.limit), source: source.name)
        }
        guard message != "" else {
            throw InputError(.badInput, subject: "--message", found: "an empty text", expected: "a message")
        }
        let messages = system.map { [ChatMessage(.system, $0)] } ?? []
        let style = ConversationStyle(tools: definitions ?? [], thinking: thinking)
        let prepared = try PreparedModel(model)
        // In a conversation a greeting stands for the first message: options that are wrong are so for all of them.
        let first = messages + [ChatMessage(.user, message ?? "Hi")]
        try prepared.check(style.prompt(first, prepared.documents.tokenizer), sampling)
        var conversation = Conversation(
            loaded: try await prepared.load(), sampling: sampling, style: style, verbose: model.verbose,
            messages: messages)
        guard let message else {
            try await talk(&conversation, interrupts)
            return
        }
        let turn = try await conversation.answer(message, interrupts: interrupts, streams: !json)
        if json { try Console.output(turn.json.text(.compact) + "\n") }
        Console.note(turn.report.line)
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
                do throws(InputError) {
                    let turn = try await conversation.answer(text, interrupts: interrupts, streams: true)
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
}
