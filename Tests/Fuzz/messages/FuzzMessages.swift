// A conversation that is accepted renders, twice the same, and none of its words becomes markup: not as parts of the
// prompt, and not as tokens; a refusal names the text and the byte.

import FuzzSupport
import GLMFiles
import GLMText

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessages(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let request = acceptedOrRefused(naming: "messages.json: ", "byte ") { () throws(InputError) in
        try ChatRequest(json: fuzzedBytes(data, size), source: "messages.json")
    }
    guard let request else { return 0 }
    let parts = ChatTemplate().render(request)
    require(
        parts.text.utf8.elementsEqual(ChatTemplate().render(request).text.utf8), "rendering twice is equal")

    var texts = parts.filter(\.isText).map { Array($0.characters.utf8) }[...]
    for expected in words(of: request) where !expected.isEmpty {
        let place = texts.firstIndex { $0.elementsEqual(expected.utf8) }
        require(place != nil, "'\(expected)' is a part of its own, as text")
        texts = texts[((place ?? 0) + 1)...]
    }
    for part in parts where !part.isText {
        require(Markup.isTemplate(part.characters), "'\(part.characters)' is markup of the template")
    }
    checkTokens(of: parts)
    return 0
}

/// What must stand in the prompt as it was given, in order. A message whose reasoning the template looks for in its
/// content is left out, as is reasoning, which the template may drop.
private func words(of request: ChatRequest) -> [String] {
    var words = request.tools.map(\.json)
    for message in request.messages {
        if message.role != .assistant {
            words.append(message.content)
        } else if message.reasoning != nil || PythonText.split(message.content, "</think>").count == 1 {
            words.append(PythonText.stripped(message.content))
        }
        for call in message.toolCalls {
            words.append(call.name)
            for argument in call.arguments { words += [argument.name, argument.value] }
        }
    }
    return words
}

private func checkTokens(of parts: [PromptPart]) {
    let whole = encode(parts)
    require(
        whole.flatMap { Fixture.tokenizer.tokenBytes($0) ?? [] } == Array(parts.text.utf8),
        "the tokens say the prompt")
    let ofMarkup = parts.filter { !$0.isText }.flatMap { encode([$0]) }
    require(
        whole.filter { $0 >= Fixture.firstAdded } == ofMarkup.filter { $0 >= Fixture.firstAdded },
        "added tokens are those of the markup alone")
}

private func encode(_ parts: [PromptPart]) -> [Int32] {
    acceptedOrRefused { () throws(InputError) in try Fixture.tokenizer.encode(parts) } ?? []
}

extension PromptPart {
    fileprivate var isText: Bool {
        if case .text = self { true } else { false }
    }
}

/// Everything the template writes of its own.
private enum Markup {
    private static let tags =
        [
            "[gMASK]<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<think>",
            "</think>",
            "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
            "<tool_response>", "</tool_response>",
        ].map { Array($0.utf8) }

    /// What stands before the first tool, between two and behind the last, as a harmless request has it.
    private static let ofTools = {
        let tool = acceptedOrRefused { () throws(InputError) in try ToolDefinition(json: #"{"name":"f"}"#) }
        let tools = [tool, tool].compactMap { $0 }
        return ChatTemplate().render([], tools: tools, addGenerationPrompt: false).filter { !$0.isText }
            .map { Array($0.characters.utf8) }
    }()

    /// Whether `markup` is tags and the text around tools, one after the other.
    static func isTemplate(_ markup: String) -> Bool {
        var rest = Array(markup.utf8)[...]
        // The longest that fits: the text before tools begins as a tag, the text behind them as the one between.
        while let next = (tags + ofTools).filter({ rest.starts(with: $0) }).map(\.count).max() {
            rest = rest.dropFirst(next)
        }
        return rest.isEmpty
    }
}

/// The small tokenizer of the unit tests. Run from the root of the repository.
private enum Fixture {
    static let tokenizer = {
        do throws(InputError) {
            return try Tokenizer.load(path: "Tests/GLMTextTests/Fixtures/tokenizer.json")
        } catch {
            fatalError("\(error)")
        }
    }()

    /// The added tokens follow the vocabulary.
    static let firstAdded = tokenizer.id(of: "<|endoftext|>") ?? 0
}
