// Reading conversations from JSON. The one place that knows the keys of messages.

public import GLMFiles

/// What a prompt is made of: `{messages, tools, add_generation_prompt, kwargs}`.
public struct ChatRequest: Sendable {
    /// At least one.
    public var messages: [ChatMessage]
    /// What the model may call; empty for none.
    public var tools: [ToolDefinition]
    /// Whether the prompt ends with the beginning of an assistant's turn; true when the text does not say.
    public var addGenerationPrompt: Bool
    /// The template's variables.
    public var options: ChatTemplate.Options

    /// A request made in code.
    ///
    /// - Parameter messages: at least one; the template renders an empty conversation too, servers refuse it.
    public init(
        messages: [ChatMessage], tools: [ToolDefinition] = [], addGenerationPrompt: Bool = true,
        options: ChatTemplate.Options = .init()
    ) {
        self.messages = messages
        self.tools = tools
        self.addGenerationPrompt = addGenerationPrompt
        self.options = options
    }

    /// Reads the text of such an object. Keys besides the four are ignored, as are unknown `kwargs`.
    ///
    /// - Parameter source: names the text in errors.
    /// - Throws: `badInput` with field and byte offset.
    public init(json: [UInt8], source: String) throws(InputError) {
        try self.init(JSONDocument(parsing: json, source: source).root)
    }

    /// Reads a parsed object.
    package init(_ value: JSONValue) throws(InputError) {
        let root = JSONField(value)
        let messages = try root.required("messages")
        self.messages = try ChatRequest.messages(messages)
        tools = try ChatRequest.tools(root.optional("tools"))
        addGenerationPrompt = try root.optional("add_generation_prompt")?.bool() ?? true
        options = ChatTemplate.Options()
        if let kwargs = root.optional("kwargs") {
            guard kwargs.value.kind == .object else { throw kwargs.mistyped(expected: "an object or null") }
            options.enableThinking = try ChatRequest.flag("enable_thinking", of: kwargs)
            options.clearThinking = try ChatRequest.flag("clear_thinking", of: kwargs)
        }
    }

    /// A list of messages; an empty one is refused.
    static func messages(_ field: JSONField) throws(InputError) -> [ChatMessage] {
        let elements = try field.elements()
        guard !elements.isEmpty else { throw field.error(found: "no message", expected: "at least one") }
        return try elements.map { element throws(InputError) in try ChatMessage(element) }
    }

    /// A list of tools; nil is none.
    static func tools(_ field: JSONField?) throws(InputError) -> [ToolDefinition] {
        guard let field else { return [] }
        return try field.elements().map { element throws(InputError) in try ToolDefinition(element) }
    }

    /// A flag that may be absent. Null is refused: to a template it would mean false.
    private static func flag(_ key: String, of field: JSONField) throws(InputError) -> Bool? {
        guard field.value[key] != nil else { return nil }
        return try field.required(key).bool()
    }
}

extension ToolDefinition {
    /// The tools of a JSON array, as `--tools FILE` holds it.
    ///
    /// - Throws: `badInput` with field and byte offset.
    public static func list(json: [UInt8], source: String) throws(InputError) -> [ToolDefinition] {
        try ChatRequest.tools(JSONField(JSONDocument(parsing: json, source: source).root))
    }
}

extension ChatMessage {
    /// The messages of a JSON array, as `--messages FILE` holds it; at least one.
    ///
    /// - Throws: `badInput` with field and byte offset.
    public static func list(json: [UInt8], source: String) throws(InputError) -> [ChatMessage] {
        try ChatRequest.messages(JSONField(JSONDocument(parsing: json, source: source).root))
    }

    /// Reads one message of the OpenAI form; `developer` is a system message, `function` a tool's.
    init(_ field: JSONField) throws(InputError) {
        let role = try field.required("role")
        switch try role.string() {
        case "system", "developer": self.role = .system
        case "user": self.role = .user
        case "assistant": self.role = .assistant
        case "tool", "function": self.role = .tool
        default: throw role.mistyped(expected: "system, developer, user, assistant or tool")
        }
        if let call = field.optional("function_call") {
            throw call.error(found: "a function_call", expected: "tool_calls")
        }
        let isAssistant = self.role == .assistant
        content =
            isAssistant && field.value["content"] == nil
            ? "" : try ChatMessage.content(field.required("content"))
        reasoning = try (field.optional("reasoning_content") ?? field.optional("reasoning"))?.string()
        let calls = field.optional("tool_calls")
        if let calls, !isAssistant {
            throw calls.error(found: "tool_calls in a message that is not an assistant's")
        }
        toolCalls = try calls?.elements().map { call throws(InputError) in try ChatToolCall(call) } ?? []
        toolCallID = try field.optional("tool_call_id")?.string()
    }

    /// A string, null, or a list of text parts, which are joined.
    private static func content(_ field: JSONField) throws(InputError) -> String {
        switch field.value.kind {
        case .null: return ""
        case .string: return try field.string()
        case .array: break
        default: throw field.mistyped(expected: "a string, null or a list of text parts")
        }
        var text = ""
        for part in try field.elements() {
            if let string = part.value.string {
                text += string
                continue
            }
            let type = try part.required("type")
            guard try type.string() == "text" else {
                throw type.mistyped(expected: "\"text\": the model reads nothing else")
            }
            text += try part.required("text").string()
        }
        return text
    }
}

extension ChatToolCall {
    /// Reads `{id, type, function: {name, arguments}}`, or the inner object alone; `arguments` is an object
    /// or the text of one.
    init(_ field: JSONField) throws(InputError) {
        if let type = field.optional("type"), field.optional("function") != nil,
            try type.string() != "function"
        {
            throw type.mistyped(expected: "\"function\"")
        }
        let function = field.optional("function") ?? field
        let name = try function.required("name").string()
        let arguments = try function.required("arguments")
        let id = try field.optional("id")?.string()
        guard let text = arguments.value.string else {
            try self.init(id: id, name: name, arguments: arguments)
            return
        }
        do {
            try self.init(id: id, name: name, arguments: text)
        } catch {
            throw arguments.error(
                found: "a string that is no JSON object (\(error))", expected: "a JSON object")
        }
    }
}
