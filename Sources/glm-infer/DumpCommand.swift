internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMModel
internal import GLMText

/// `dump`: writes every intermediate of a prompt.
struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Write every intermediate of a prompt as a golden folder, which 'verify' reads.",
        discussion: "The prompt is taken as it is: names of special tokens in it become these tokens.")

    @Option(name: .long, help: "Folder to write; it is made if it does not exist.")
    var out: String

    @OptionGroup var prompt: PromptOptions
    @OptionGroup var model: ModelOptions

    func run() throws {
        let (bytes, source) = try prompt.load()
        let documents = try PreparedModel(model).documents
        let tokens = try documents.tokenizer.encode(
            bytes: bytes, source: source, specialTokens: .parse, limit: documents.contextSize)
        try GoldenDump.check(tokens, documents.configuration, contextSize: documents.contextSize)
        let dump = try GoldenDump(modelDirectory: documents.directory, options: documents.options)
        dump.model.followOthers()
        try dump.write(prompt: tokens, to: out)
        Console.note("wrote the intermediates of \(tokens.count) tokens to \(out)\n")
        dump.model.disband()
    }
}
