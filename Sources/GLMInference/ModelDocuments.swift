package import GLMDecoding
internal import GLMEngine
package import GLMFiles
package import GLMModel
package import GLMText

/// The small files of a model's folder: enough to refuse a request before any weight is read, which may take minutes.
package struct ModelDocuments: Sendable {
    package let directory: String
    package let configuration: GLMConfiguration
    package let tokenizer: Tokenizer
    package let defaults: GenerationDefaults
    /// How the weights are to be loaded.
    package let options: LoadOptions
    /// Tokens that a prompt and its answer may have together.
    package let contextSize: Int

    /// Reads `config.json`, `tokenizer.json`, and `generation_config.json` if there is one.
    ///
    /// - Throws: an `InputError` that names file and key; also when the tokenizer has tokens that the model has not, or
    ///   `options` ask for more context than it has, or for products that it cannot have.
    package init(directory: String, options: LoadOptions) throws(InputError) {
        self.directory = directory
        self.options = options
        // A folder that is no model lacks config.json, which is the best thing to say about it.
        configuration = try GLMConfiguration.load(path: directory + "/config.json")
        try options.checkProducts(configuration)
        contextSize = try LanguageModel.contextSize(options.contextSize, configuration)
        let path = directory + "/tokenizer.json"
        tokenizer = try Tokenizer.load(path: path)
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw InputError(
                .badInput, file: path, found: "token ids up to \(tokenizer.vocabularySize - 1)",
                expected: "ids below \(configuration.vocabularySize), the vocab_size of config.json",
                remedy: "do tokenizer and model belong together?")
        }
        defaults = try GenerationDefaults.load(directory: directory)
    }

    /// Tokens that end an answer.
    package var endTokens: [Int32] {
        (defaults.endTokens ?? configuration.endOfSequenceTokens).filter { $0 < configuration.vocabularySize }
    }

    /// Refuses what the engine would refuse.
    /// - Throws: an `InputError` if the prompt is empty or too long, or an option out of range.
    package func check(
        prompt: [Int32], sampling: SamplingParameters, maximumTokens: Int?,
        speculation: SpeculationParameters? = nil
    ) throws(InputError) {
        let request = GenerationRequest(
            prompt: prompt, sampling: sampling, endTokens: endTokens, maximumTokens: maximumTokens,
            speculation: speculation)
        try request.validate(
            vocabularySize: configuration.vocabularySize, contextSize: contextSize,
            drafts: configuration.nextTokenLayerCount > 0)
    }
}
