internal import GLMFiles
internal import GLMInference
internal import GLMText

/// One answer of a conversation.
struct Turn {
    var prompt: [Int32]
    var completion: Completion
    var report: RunReport
    private let reasoning: String?
    private let content: String
    private let calls: [(name: String, arguments: String)]

    /// Divides the answer into reasoning, content and calls. With thinking, an answer without the end of reasoning is
    /// nothing else.
    init(prompt: [Int32], completion: Completion, report: RunReport, style: ConversationStyle) {
        self.prompt = prompt
        self.completion = completion
        self.report = report
        var parser = ReasoningParser(thinking: style.thinking)
        let (first, last) = (parser.append(completion.text), parser.finish())
        reasoning = style.thinking ? first.reasoning + last.reasoning : nil
        let text = first.content + last.content
        (content, calls) = style.tools.isEmpty ? (text, []) : ToolCallParser.parse(text, tools: style.tools)
    }

    /// The answer as the history keeps it.
    func message() throws(InputError) -> ChatMessage {
        ChatMessage(
            .assistant, content, reasoning: reasoning,
            toolCalls: try calls.map { call throws(InputError) in
                try ChatToolCall(name: call.name, arguments: call.arguments)
            })
    }

    /// The object that `--json` prints: a run's, and the message that `--messages` would take.
    var json: JSON { report.json(completion, prompt: prompt, more: [JSON.Member("message", messageJSON)]) }

    /// `{role, content, reasoning_content, tool_calls}`, the last two only if there are any.
    var messageJSON: JSON {
        var members = [
            JSON.Member("role", .string("assistant")), JSON.Member("content", .string(content)),
        ]
        if let reasoning { members.append(JSON.Member("reasoning_content", .string(reasoning))) }
        if !calls.isEmpty {
            members.append(
                JSON.Member(
                    "tool_calls",
                    .array(
                        calls.map { call in
                            .object([
                                JSON.Member("type", .string("function")),
                                JSON.Member(
                                    "function",
                                    .object([
                                        JSON.Member("name", .string(call.name)),
                                        JSON.Member("arguments", .string(call.arguments)),
                                    ])),
                            ])
                        })))
        }
        return .object(members)
    }
}
