import GLMFiles
import GLMTestSupport
import GLMText
import Testing

struct ChatMessageTests {
    private func request(_ json: String) throws -> ChatRequest {
        try ChatRequest(json: Array(json.utf8), source: "request.json")
    }

    @Test func allFormsOfContentAndCalls() throws {
        let request = try request(
            #"""
            {"messages": [
              {"role": "developer", "content": null},
              {"role": "user", "content": ["a", {"type": "text", "text": "b"}]},
              {"role": "assistant", "tool_calls": [
                {"id": "1", "type": "function",
                 "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": \"x\"}"}},
                {"name": "g", "arguments": {"é": [1.0]}}], "reasoning": "because"},
              {"role": "function", "content": "ok", "tool_call_id": "1", "name": "f"}],
             "tools": [{"name": "f"}, {"type": "function", "function": {"name": "g", "parameters": {}}}],
             "model": "ignored"}
            """#)
        let call = try ChatToolCall(id: "1", name: "f", arguments: #"{"b":1,"a":"x"}"#)
        #expect(call.arguments.map(\.name) == ["b", "a"])
        let second = try ChatToolCall(name: "g", arguments: #"{"é": [1.0]}"#)
        #expect(
            request.messages == [
                ChatMessage(.system, ""), ChatMessage(.user, "ab"),
                ChatMessage(
                    .assistant, "", reasoning: "because",
                    toolCalls: [call, second]),
                ChatMessage(.tool, "ok", toolCallID: "1"),
            ])
        #expect(request.tools.map(\.name) == ["f", "g"])
        #expect(
            request.tools.map(\.json) == [
                #"{"name": "f"}"#, #"{"type": "function", "function": {"name": "g", "parameters": {}}}"#,
            ])
        #expect(request.addGenerationPrompt)
    }

    /// Keys and order of a tool are the client's; only spaces, escapes and numbers become Python's.
    @Test func toolsKeepTheirKeysAndOrder() throws {
        let tools = try ToolDefinition.list(
            json: Array(
                #"[{"z":1.50,"function":{"strict":true,"name":"\u00e9\u4e2d","description":"<\/b>"},"a":[]}]"#
                    .utf8),
            source: "tools.json")
        #expect(
            tools.map(\.json) == [
                #"{"z": 1.5, "function": {"strict": true, "name": "é中", "description": "</b>"}, "a": []}"#
            ])
        #expect(tools.map(\.name) == ["é中"])
    }

    @Test(arguments: [
        (#"{}"#, "\"messages\""), (#"[]"#, "an object"),
        (#"{"messages": []}"#, "messages (byte 13): no message"),
        (#"{"messages": {}}"#, "messages (byte 13): an object; expected an array"),
        (#"{"messages": [{"content": "x"}]}"#, "messages[0] (byte 14): no \"role\""),
        (
            #"{"messages": [{"role": "robot", "content": "x"}]}"#,
            "messages[0].role (byte 23): the string \"robot\""
        ),
        (#"{"messages": [{"role": "user"}]}"#, "no \"content\""),
        (#"{"messages": [{"role": "user", "content": 5}]}"#, "messages[0].content (byte 42): the number 5"),
        (#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "content[0].type"),
        (#"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#, "no \"text\""),
        (#"{"messages": [{"role": "user", "content": "", "tool_calls": []}]}"#, "not an assistant's"),
        (
            #"{"messages": [{"role": "assistant", "function_call": {}}]}"#,
            "a function_call; expected tool_calls"
        ),
        (#"{"messages": [{"role": "assistant", "reasoning_content": 1}]}"#, "reasoning_content"),
        (
            #"{"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}"#,
            "tool_calls[0].function"
        ),
        (
            #"{"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": "[1]"}]}]}"#,
            "tool_calls[0].arguments (byte 78): a string that is no JSON object"
        ),
        (
            #"{"messages": [{"role": "assistant", "tool_calls": [{"name": "f", "arguments": 1}]}]}"#,
            "an object"
        ),
        (
            #"{"messages": [{"role": "user", "content": ""}], "kwargs": {"enable_thinking": null}}"#,
            "null; expected true"
        ),
        (#"{"messages": [{"role": "user", "content": ""}], "kwargs": []}"#, "kwargs (byte 58): an array"),
        (
            #"{"messages": [{"role": "user", "content": ""}], "tools": [{"type": "function"}]}"#,
            "tools[0] (byte 58)"
        ),
        (#"{"messages": [{"role": "user", "content": ""}], "tools": [{"name": ""}]}"#, "an empty name"),
        (
            #"{"messages": [{"role": "user", "content": ""}], "tools": [{"name": "f", "parameters": 1}]}"#,
            "a JSON schema"
        ),
        (
            #"{"messages": [{"role": "user", "content": ""}], "add_generation_prompt": "yes"}"#,
            "true or false"
        ),
        (#"{"messages": [{"role": "user", "content": "\#u{1}"}]}"#, "byte 43"),
    ])
    func whatIsWrongIsNamedWithItsPlace(_ json: String, _ part: String) {
        expectRefused(containing: "request.json: ", part) { _ = try request(json) }
    }
}
