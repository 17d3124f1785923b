// Messages of a conversation, tools, and calls. Reading them from JSON is in ChatMessage+JSON.swift.

public import GLMFiles

/// One message of a conversation.
public struct ChatMessage: Sendable, Equatable {
    /// Who speaks.
    public enum Role: Sendable, Equatable {
        case system, user, assistant
        /// The result of a call.
        case tool
    }

    /// Who speaks. `developer` was mapped to system and `function` to tool.
    public var role: Role
    /// The text. Parts of a list were joined; null is the empty string.
    public var content: String
    /// What an assistant thought before it answered; nil lets the template look for it in `content`.
    public var reasoning: String?
    /// Calls an assistant made.
    public var toolCalls: [ChatToolCall]
    /// Which call a tool's message answers. GLM's template does not write it.
    public var toolCallID: String?

    /// A message made in code.
    public init(
        _ role: Role, _ content: String, reasoning: String? = nil, toolCalls: [ChatToolCall] = [],
        toolCallID: String? = nil
    ) {
        self.role = role
        self.content = content
        self.reasoning = reasoning
        self.toolCalls = toolCalls
        self.toolCallID = toolCallID
    }
}

/// A call that an assistant made.
public struct ChatToolCall: Sendable, Equatable {
    /// An argument as the template writes it: a string raw, any other value as JSON in Python's style.
    public struct Argument: Sendable, Equatable {
        /// The parameter's name.
        public var name: String
        /// What stands between `<arg_value>` and `</arg_value>`.
        public var value: String
    }

    /// What a tool's message refers to. GLM's template does not write it.
    public var id: String?
    /// The tool that is called.
    public var name: String
    /// In the order in which they were given.
    public var arguments: [Argument]

    /// - Parameter arguments: the text of a JSON object.
    /// - Throws: `badInput` when it is none.
    public init(id: String? = nil, name: String, arguments: String) throws(InputError) {
        let document = try JSONDocument(parsing: Array(arguments.utf8), source: "arguments of \(name)")
        try self.init(id: id, name: name, arguments: JSONField(document.root))
    }

    init(id: String?, name: String, arguments: JSONField) throws(InputError) {
        self.id = id
        self.name = name
        self.arguments = try arguments.members().map { key, field in
            Argument(name: key.description, value: field.value.string ?? PythonJSON.text(field.value))
        }
    }
}

/// A tool that the model may call.
public struct ToolDefinition: Sendable {
    /// What a call names.
    public let name: String
    /// The definition as the template writes it: one line of JSON in Python's style, keys and order as given.
    public let json: String
    /// The JSON schema of the arguments, nil when none was given.
    package let parameters: JSONValue?

    /// - Parameter json: the text of `{"type": "function", "function": {"name", "description",
    ///   "parameters"}}`, or of the inner object alone.
    /// - Throws: `badInput` when it is not that.
    public init(json: String) throws(InputError) {
        try self.init(JSONField(JSONDocument(parsing: Array(json.utf8), source: "tool").root))
    }

    init(_ field: JSONField) throws(InputError) {
        let function = field.optional("function") ?? field
        name = try function.required("name").string()
        guard !name.isEmpty else {
            throw try function.required("name").error(found: "an empty name", expected: "a tool's name")
        }
        let parameters = function.optional("parameters")
        if let parameters, parameters.value.kind != .object {
            throw parameters.mistyped(expected: "a JSON schema")
        }
        self.parameters = parameters?.value
        json = PythonJSON.text(field.value)
    }
}
