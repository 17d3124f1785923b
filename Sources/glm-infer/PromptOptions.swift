internal import ArgumentParser
internal import GLMFiles

/// Where a raw prompt comes from. Names of special tokens in it become these tokens.
struct PromptOptions: ParsableArguments {
    /// Longest text that is read.
    static let limit = 256 << 20

    @Option(
        name: [.customShort("p"), .long], parsing: .unconditional, help: "The prompt; - reads standard input."
    )
    var prompt: String?

    @Option(name: .long, parsing: .unconditional, help: "File with the prompt; - reads standard input.")
    var promptFile: String?

    @Argument(help: ArgumentHelp("- reads the prompt from standard input.", valueName: "-"))
    var standardInput: String?

    func validate() throws {
        if let standardInput, standardInput != "-" {
            throw ValidationError("unexpected argument '\(standardInput)'; pass the prompt with --prompt")
        }
        let given = [prompt, promptFile, standardInput].compactMap { $0 }
        guard given.count == 1 else {
            throw ValidationError(
                given.isEmpty
                    ? "no prompt: pass one of --prompt TEXT, --prompt-file FILE, or - for standard input"
                    : "more than one prompt: pass one of --prompt, --prompt-file and -")
        }
    }

    /// The prompt's bytes and the name of their source, for errors.
    func load() throws(InputError) -> (bytes: [UInt8], source: String) {
        if let prompt, prompt != "-" { return (Array(prompt.utf8), "prompt") }
        let file = try ByteSource.open(promptFile ?? "-")
        return (try file.readAll(limit: PromptOptions.limit), file.name)
    }
}
