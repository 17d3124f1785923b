internal import ArgumentParser
internal import GLMFiles
internal import GLMText

/// `render`: the prompt of a conversation, and nothing else.
struct RenderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render", abstract: "Print the prompt of a conversation, and nothing else.")

    @Option(
        name: [.customShort("f"), .long],
        help: "JSON file with {messages, tools, add_generation_prompt, kwargs}; - reads standard input.")
    var file: String = "-"

    func run() throws {
        let source = try ByteSource.open(file)
        let request = try ChatRequest(json: source.readAll(limit: PromptOptions.limit), source: source.name)
        try Console.output(ChatTemplate().render(request).text)
    }
}
