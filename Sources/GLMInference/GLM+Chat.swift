public import GLMFiles
public import GLMText

extension GLM {
    /// Answers a conversation.
    ///
    /// The prompt is that of GLM's chat template. Content of messages never becomes a special token. Unless
    /// `template.enableThinking` is false, the answer starts inside reasoning, which ends with `</think>`; calls of tools
    /// come as `<tool_call>` markup.
    /// - Throws: an `InputError` if the conversation is too long, or an option out of range.
    public func chat(
        _ messages: [ChatMessage], tools: [ToolDefinition] = [],
        template: ChatTemplate.Options = ChatTemplate.Options(),
        options: GenerationOptions = GenerationOptions()
    ) async throws(InputError) -> Generation {
        try await generate(ChatTemplate().render(messages, tools: tools, options: template), options: options)
    }
}
