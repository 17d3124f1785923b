public import GLMDecoding
package import GLMFiles

/// What a model recommends in its `generation_config.json`, and what ends its answers.
///
/// Where the file, or a value in it, is missing, GLM's own recommendation holds: temperature 1, top-p 0.95, no top-k. A
/// `do_sample` that is given and false means greedy.
/// Source: specification §10; transformers `GenerationConfig`.
public struct GenerationDefaults: Sendable, Equatable {
    /// For requests that say nothing else.
    public var sampling: SamplingParameters
    /// Tokens that end an answer; nil when the file does not say.
    public var endTokens: [Int32]?

    /// GLM's recommendation.
    public init() {
        sampling = SamplingParameters()
        sampling.topP = 0.95
        endTokens = nil
    }
}

extension GenerationDefaults {
    /// Reads `generation_config.json` of a model's folder; GLM's recommendation if there is none.
    /// - Throws: as ``load(path:)``.
    package static func load(directory: String) throws(InputError) -> GenerationDefaults {
        // A link to nothing is there: without the file, answers would end at other tokens.
        let name = "generation_config.json"
        guard try Directory.names(in: directory).contains(name) else { return GenerationDefaults() }
        return try load(path: directory + "/" + name)
    }

    /// Reads a `generation_config.json`.
    /// - Throws: an `InputError` that names the key whose value is mistyped or out of range.
    package static func load(path: String) throws(InputError) -> GenerationDefaults {
        try GenerationDefaults(JSONDocument.load(path: path, limit: 1 << 20).root)
    }

    /// Reads the root of a parsed `generation_config.json`.
    /// - Throws: as ``load(path:)``.
    package init(_ root: JSONValue) throws(InputError) {
        self.init()
        guard root.kind == .object else {
            throw InputError(
                .badInput, file: root.source, found: "a JSON \(root.kind)", expected: "an object")
        }
        func number(_ key: String) throws(InputError) -> Float? {
            guard let value = root[key], !value.isNull else { return nil }
            guard let number = value.double else {
                throw GenerationDefaults.mistyped(key, value, "a number")
            }
            return Float(number)
        }
        sampling.temperature = try number("temperature") ?? sampling.temperature
        sampling.topP = try number("top_p") ?? sampling.topP
        sampling.minP = try number("min_p") ?? 0
        sampling.repetitionPenalty = try number("repetition_penalty") ?? 1
        sampling.topK = try GenerationDefaults.topK(root)
        if let value = root["do_sample"], value.bool == false { sampling.temperature = 0 }
        endTokens = try GenerationDefaults.endTokens(root)
        do throws(InputError) {
            try sampling.validate(vocabularySize: Int(Int32.max))
        } catch {
            throw InputError(
                .badInput, file: root.source, subject: error.subject, found: error.found,
                expected: error.expected)
        }
    }

    /// `top_k`; 0 and −1 are ways to write "all tokens".
    private static func topK(_ root: JSONValue) throws(InputError) -> Int? {
        guard let value = root["top_k"], !value.isNull else { return nil }
        guard let count = value.integer, count >= -1 else {
            throw mistyped("top_k", value, "an integer, or -1 for all tokens")
        }
        return count > 0 ? count : nil
    }

    /// `eos_token_id`: one token or a list.
    private static func endTokens(_ root: JSONValue) throws(InputError) -> [Int32]? {
        guard let value = root["eos_token_id"], !value.isNull else { return nil }
        var tokens: [Int32] = []
        for element in value.elements ?? [value] {
            guard let id = element.integer, id >= 0, let token = Int32(exactly: id) else {
                throw mistyped("eos_token_id", element, "a token id or a list of them")
            }
            tokens.append(token)
        }
        return tokens
    }

    private static func mistyped(_ key: String, _ value: JSONValue, _ expected: String) -> InputError {
        InputError(
            .badInput, file: value.source, subject: key, found: value.numberLiteral ?? "a JSON \(value.kind)",
            expected: expected)
    }
}
