internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMModel
internal import GLMText

/// `speculate`: what drafting does for a model and a text.
struct SpeculateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "speculate", abstract: "See how well the MTP layer drafts, and what it gains.",
        subcommands: [SpeculateAnalyseCommand.self, SpeculateBenchCommand.self])
}

/// The prompts of a comparison.
struct PromptSetOptions: ParsableArguments {
    /// What is run when no file is named.
    static let usual = [
        "The quick brown fox jumps over the lazy dog", "Once upon a time there was",
        "def main():\n    return 1 + 2", "1, 2, 3, 4, 5, 6,", "Dear Sir or Madam,", "In the beginning",
        "Question: what is the capital of France? Answer:", "<p>Hello",
    ]

    @Option(
        name: .long,
        help:
            "Text file with a prompt on each line that is not empty. May be repeated (default: eight built-in)."
    )
    var prompts: [String] = []

    /// The prompts as tokens.
    func load(_ documents: ModelDocuments, answer: Int) throws(InputError) -> [[Int32]] {
        var texts: [(bytes: [UInt8], source: String)] = []
        for path in prompts {
            let file = try ByteSource.open(path)
            while let line = try file.readLine() {
                if !line.isEmpty { texts.append((line, file.name)) }
            }
        }
        if prompts.isEmpty { texts = PromptSetOptions.usual.map { (Array($0.utf8), "prompt") } }
        guard !texts.isEmpty else {
            throw InputError(
                .badInput, subject: "--prompts", found: "no line with text", expected: "a prompt")
        }
        var sets: [[Int32]] = []
        for text in texts {
            let tokens = try documents.tokenizer.encode(
                bytes: text.bytes, source: text.source, specialTokens: .parse, limit: documents.contextSize)
            try documents.check(prompt: tokens, sampling: .greedy, maximumTokens: answer)
            sets.append(tokens)
        }
        return sets
    }

    /// - Throws: `usage` for a model that cannot draft.
    static func requireDraftLayer(_ documents: ModelDocuments) throws(InputError) {
        guard documents.configuration.nextTokenLayerCount == 0 else { return }
        throw InputError(
            .usage, subject: "speculate", found: "a model without an MTP layer",
            expected: "num_nextn_predict_layers of 1 in config.json")
    }
}
