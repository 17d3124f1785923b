internal import ArgumentParser
internal import GLMFiles
internal import GLMText

/// `tokenize`: text to a JSON array of token ids.
struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize", abstract: "Print the token ids of a text as a JSON array.")

    @Option(name: [.customShort("m"), .long], help: "Folder of a checkpoint (default: the built-in model).")
    var model: String?

    @Option(name: [.customShort("f"), .long], help: "File with the text; - reads standard input.")
    var file: String = "-"

    @Flag(name: .long, help: "Take names of special tokens for plain text, as in chat messages.")
    var plain = false

    func run() throws {
        let source = try ByteSource.open(file)
        let bytes = try source.readAll(limit: PromptOptions.limit)
        let tokenizer = try Tokenizer.load(model: model)
        let tokens = try tokenizer.encode(
            bytes: bytes, source: source.name, specialTokens: plain ? .asText : .parse)
        try Console.output("[" + tokens.map(String.init).joined(separator: ", ") + "]\n")
    }
}

extension Tokenizer {
    /// The tokenizer of a checkpoint's folder, or the built-in model's.
    static func load(model: String?) throws(InputError) -> Tokenizer {
        try load(path: ModelOptions.directory(model) + "/tokenizer.json")
    }
}
