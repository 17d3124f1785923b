import GLMText
import Testing

@Suite struct AnswerDisplayTests {
    static func tools() throws -> [ToolDefinition] {
        [
            try ToolDefinition(
                json: #"{"name": "clock", "parameters": {"properties": {"zone": {"type": "string"}}}}"#)
        ]
    }

    /// Everything that is shown of `text`, which comes in pieces of `size` characters.
    static func shown(
        _ text: String, size: Int = 1000, thinking: Bool = true, tools: [ToolDefinition] = [], isStyled: Bool
    ) -> String {
        var display = AnswerDisplay(thinking: thinking, tools: tools, isStyled: isStyled)
        var (output, rest) = ("", Substring(text))
        while !rest.isEmpty {
            output += display.show(String(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return output + display.finish()
    }

    static let call = "<tool_call>clock<arg_key>zone</arg_key><arg_value>Oslo</arg_value></tool_call>"

    @Test func reasoningIsDim() {
        #expect(Self.shown("Hm.</think>Yes.", isStyled: true) == "\u{1b}[2mHm.\u{1b}[0m\nYes.\n")
        #expect(Self.shown("Hm.", isStyled: true) == "\u{1b}[2mHm.\u{1b}[0m\n")
        #expect(Self.shown("</think>Yes.", isStyled: true) == "Yes.\n")
        #expect(Self.shown("Yes.", thinking: false, isStyled: true) == "Yes.\n")
    }

    @Test func withoutStyleTheMarkerStays() {
        #expect(Self.shown("Hm.</think>Yes.", isStyled: false) == "Hm.</think>Yes.\n")
        #expect(Self.shown("Hm.", isStyled: false) == "Hm.\n")
        #expect(Self.shown("", isStyled: false) == "\n")
    }

    @Test func callsAreShownAsCalls() throws {
        let text = "Hm.</think>One moment." + Self.call + Self.call
        let line = "→ clock {\"zone\": \"Oslo\"}\n"
        #expect(
            try Self.shown(text, tools: Self.tools(), isStyled: false)
                == "Hm.</think>One moment.\n" + line + line)
        #expect(
            try Self.shown("Hm." + Self.call, tools: Self.tools(), isStyled: true)
                == "\u{1b}[2mHm.\u{1b}[0m\n" + line)
        // Without tools nothing is a call.
        #expect(Self.shown("</think>" + Self.call, isStyled: false) == "</think>" + Self.call + "\n")
    }

    @Test func anUnfinishedCallIsText() throws {
        #expect(
            try Self.shown("</think>Now <tool_call>clock", tools: Self.tools(), isStyled: false)
                == "</think>Now <tool_call>clock\n")
    }

    @Test(arguments: [1, 2, 3, 5, 8])
    func anyDivisionShowsTheSame(size: Int) throws {
        for text in [
            "Hm.</think>Yes." + Self.call + "So.", "Hm." + Self.call, "Hm <", "a</think>b<tool_call>",
        ] {
            for isStyled in [false, true] {
                let tools = try Self.tools()
                #expect(
                    Self.shown(text, size: size, tools: tools, isStyled: isStyled)
                        == Self.shown(text, tools: tools, isStyled: isStyled))
            }
        }
    }
}
