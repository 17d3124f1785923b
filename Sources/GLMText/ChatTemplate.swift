// Messages to a prompt, in the form GLM-4.7 and GLM-5 were trained on. Knows no tokens.

/// The built-in chat template of GLM-4.7 and GLM-5.
///
/// The parts say what is markup and what is content, so that a message can never bring an added token of its
/// own into the prompt. Joined (`parts.text`) they are exactly the prompt that the released template renders.
///
/// Source: `chat_template.jinja` of GLM-4.7, which GLM-5 shares.
public struct ChatTemplate: Sendable {
    /// The template's variables; nil means that the request did not give them, which is not the same as
    /// false.
    public struct Options: Sendable, Equatable {
        /// false ends the prompt outside reasoning.
        public var enableThinking: Bool?
        /// false keeps the reasoning of turns before the last user message.
        public var clearThinking: Bool?

        /// Variables that were given; none by default.
        public init(enableThinking: Bool? = nil, clearThinking: Bool? = nil) {
            self.enableThinking = enableThinking
            self.clearThinking = clearThinking
        }
    }

    /// The template has no settings beyond the options of a request.
    public init() {}

    /// The prompt of a request.
    public func render(_ request: ChatRequest) -> [PromptPart] {
        render(
            request.messages, tools: request.tools, addGenerationPrompt: request.addGenerationPrompt,
            options: request.options)
    }

    /// `[gMASK]<sop>`, tools, messages, generation prompt; nothing between them.
    public func render(
        _ messages: [ChatMessage], tools: [ToolDefinition] = [], addGenerationPrompt: Bool = true,
        options: Options = Options()
    ) -> [PromptPart] {
        var prompt = PromptBuilder()
        prompt.markup("[gMASK]<sop>")
        write(tools, to: &prompt)
        let lastUser = messages.lastIndex { $0.role == .user }
        for (ordinal, message) in messages.enumerated() {
            switch message.role {
            case .system:
                prompt.markup("<|system|>")
                prompt.text(message.content)
            case .user:
                prompt.markup("<|user|>")
                prompt.text(message.content)
            case .assistant:
                let isCurrent = lastUser.map { ordinal > $0 } ?? true
                writeAssistant(
                    message, keepsReasoning: isCurrent || options.clearThinking == false, to: &prompt)
            case .tool:
                let isFirst = ordinal == 0 || messages[ordinal - 1].role != .tool
                prompt.markup((isFirst ? "<|observation|>" : "") + "<tool_response>")
                prompt.text(message.content)
                prompt.markup("</tool_response>")
            }
        }
        if addGenerationPrompt {
            prompt.markup("<|assistant|>" + (options.enableThinking == false ? "</think>" : "<think>"))
        }
        return prompt.parts
    }

    private func write(_ tools: [ToolDefinition], to prompt: inout PromptBuilder) {
        guard !tools.isEmpty else { return }
        prompt.markup(
            """
            <|system|>
            # Tools

            You may call one or more functions to assist with the user query.

            You are provided with function signatures within <tools></tools> XML tags:
            <tools>

            """)
        for tool in tools {
            prompt.text(tool.json)
            prompt.markup("\n")
        }
        prompt.markup(
            """
            </tools>

            For each function call, output the function name and arguments within the following XML format:
            <tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>\
            <arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>
            """)
    }

    private func writeAssistant(_ message: ChatMessage, keepsReasoning: Bool, to prompt: inout PromptBuilder)
    {
        let (reasoning, content) = separated(message)
        prompt.markup("<|assistant|>")
        if keepsReasoning, !reasoning.isEmpty {
            prompt.markup("<think>")
            prompt.text(PythonText.stripped(reasoning))
        }
        prompt.markup("</think>")
        prompt.text(PythonText.stripped(content))
        for call in message.toolCalls {
            prompt.markup("<tool_call>")
            prompt.text(call.name)
            for argument in call.arguments {
                prompt.markup("<arg_key>")
                prompt.text(argument.name)
                prompt.markup("</arg_key><arg_value>")
                prompt.text(argument.value)
                prompt.markup("</arg_value>")
            }
            prompt.markup("</tool_call>")
        }
    }

    /// Reasoning and content. Without reasoning of its own a message is divided at `</think>`: before the
    /// first one (behind the last `<think>`) is reasoning, behind the last one is content.
    private func separated(_ message: ChatMessage) -> (reasoning: String, content: String) {
        if let reasoning = message.reasoning {
            return (reasoning, message.content)
        }
        let pieces = PythonText.split(message.content, "</think>")
        guard pieces.count > 1, let first = pieces.first, let last = pieces.last else {
            return ("", message.content)
        }
        let thought = PythonText.split(PythonText.withoutTrailingNewlines(first), "<think>").last ?? ""
        return (PythonText.withoutLeadingNewlines(thought), PythonText.withoutLeadingNewlines(last))
    }
}

/// Collects parts; neighbours of a kind become one, empty ones none.
private struct PromptBuilder {
    private(set) var parts: [PromptPart] = []

    mutating func markup(_ characters: String) {
        if case .markup(let before) = parts.last {
            parts[parts.count - 1] = .markup(before + characters)
        } else if !characters.isEmpty {
            parts.append(.markup(characters))
        }
    }

    mutating func text(_ characters: String) {
        if case .text(let before) = parts.last {
            parts[parts.count - 1] = .text(before + characters)
        } else if !characters.isEmpty {
            parts.append(.text(characters))
        }
    }
}
