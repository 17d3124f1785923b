internal import ArgumentParser
internal import GLMFiles
internal import GLMText

/// `detokenize`: a JSON array of token ids to text.
struct DetokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detokenize", abstract: "Print the text of a JSON array of token ids, and nothing else.")

    @Option(name: [.customShort("m"), .long], help: "Folder of a checkpoint (default: the built-in model).")
    var model: String?

    @Option(name: [.customShort("f"), .long], help: "File with the array; - reads standard input.")
    var file: String = "-"

    @Flag(name: .long, help: "Leave out special tokens such as <|user|>.")
    var skipSpecial = false

    func run() throws {
        let source = try ByteSource.open(file)
        let root = try JSONDocument(
            parsing: source.readAll(limit: PromptOptions.limit), source: source.name
        ).root
        guard let elements = root.elements else {
            throw InputError(
                .badInput, file: source.name, found: "a JSON \(root.kind)", expected: "an array of token ids")
        }
        let tokenizer = try Tokenizer.load(model: model)
        var tokens: [Int32] = []
        for (index, element) in elements.enumerated() {
            guard let id = element.integer, let token = Int32(exactly: id), tokenizer.tokenBytes(token) != nil
            else {
                throw InputError(
                    .badInput, file: source.name, subject: "element \(index)",
                    found: element.numberLiteral ?? "a JSON \(element.kind)",
                    expected: "a token id of this tokenizer")
            }
            tokens.append(token)
        }
        try Console.output(tokenizer.decode(tokens, skipSpecial: skipSpecial))
    }
}
