// What a terminal shows of a model's output. Knows no terminal.

/// An answer as people read it: reasoning dim on terminals, calls as calls. Fed piece by piece.
///
/// Without a terminal reasoning ends with its marker, as the model wrote it, so that a program can find the border.
package struct AnswerDisplay: Sendable {
    private let isStyled: Bool
    private var reasoning: ReasoningParser
    /// nil without tools: then nothing is a call.
    private var calls: ToolCallParser?
    private var names: [Int: String] = [:]
    private var isInReasoning: Bool
    private var isFirst = true
    /// Whether the next character begins a line; an empty answer is an empty line.
    private var endsLine = false

    /// - Parameters:
    ///   - thinking: whether the prompt ended inside reasoning.
    ///   - tools: those of the request.
    ///   - isStyled: whether dim text is possible.
    package init(thinking: Bool, tools: [ToolDefinition], isStyled: Bool) {
        self.isStyled = isStyled
        reasoning = ReasoningParser(thinking: thinking)
        calls = tools.isEmpty ? nil : ToolCallParser(tools: tools)
        isInReasoning = thinking
    }

    /// What to print when `text` comes.
    package mutating func show(_ text: String) -> String {
        let delta = reasoning.append(text)
        var output = shown(delta.reasoning)
        if isInReasoning, !reasoning.isReasoning {
            isInReasoning = false
            output += isStyled ? (isFirst ? "" : "\u{1b}[0m\n") : "</think>"
            endsLine = isStyled
        }
        return output + shown(calls?.append(delta.content) ?? [.content(delta.content)])
    }

    /// What to print at the end: what was held back, and a line's end.
    package mutating func finish() -> String {
        let delta = reasoning.finish()
        var output = shown(delta.reasoning)
        if isInReasoning, isStyled, !isFirst { output += "\u{1b}[0m" }
        output += shown(calls?.append(delta.content) ?? [.content(delta.content)])
        output += shown(calls?.finish() ?? [])
        return output + (endsLine ? "" : "\n")
    }

    private mutating func shown(_ thought: String) -> String {
        guard !thought.isEmpty else { return "" }
        defer { (isFirst, endsLine) = (false, false) }
        return (isStyled && isFirst ? "\u{1b}[2m" : "") + thought
    }

    /// Text as it is; a call, once it is complete, on a line of its own.
    private mutating func shown(_ events: [ToolCallParser.Event]) -> String {
        var output = ""
        for event in events {
            switch event {
            case .content(let text):
                guard !text.isEmpty else { continue }
                output += text
                endsLine = text.hasSuffix("\n")
            case .call(let index, let name): names[index] = name
            case .arguments: break
            case .end(let index, let arguments):
                output += (endsLine ? "" : "\n") + "→ \(names[index] ?? "") \(arguments)\n"
                endsLine = true
            }
            isFirst = false
        }
        return output
    }
}
