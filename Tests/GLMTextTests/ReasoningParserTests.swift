import GLMFiles
import GLMText
import Testing

struct ReasoningParserTests {
    private func parse(_ pieces: [String], thinking: Bool, streams: Bool = true) -> ReasoningParser.Delta {
        var parser = ReasoningParser(thinking: thinking, streamsReasoning: streams)
        var whole = ReasoningParser.Delta()
        for delta in pieces.map({ parser.append($0) }) + [parser.finish()] {
            whole.reasoning += delta.reasoning
            whole.content += delta.content
        }
        return whole
    }

    @Test func everyCaseAtEverySplit() throws {
        let cases = try #require(Fixture.json("glm45_reasoning_cases.json")["cases"]).list()
        #expect(cases.count == 26)
        for item in cases {
            let id = try item.text("id")
            let thinking = try #require(item["thinking"]?.bool as Bool?)
            let accepted = try #require(item["accept"]).list().map { accept throws in
                (PythonText.stripped(try accept.text("reasoning")), try accept.text("content"))
            }
            for pieces in Splits.all(of: try item.text("output")) {
                let result = parse(pieces, thinking: thinking)
                let fits = accepted.contains {
                    $0.0 == PythonText.stripped(result.reasoning) && $0.1 == result.content
                }
                #expect(fits, "\(id): \(pieces)")
                #expect(parse(pieces, thinking: thinking, streams: false) == result)
            }
        }
    }

    @Test func afterTheFirstMarkerNothingIsScannedAgain() {
        let text = "a</think>b<think>c</think>d<tool_call>e</tool_call>"
        for pieces in Splits.all(of: text) {
            #expect(
                parse(pieces, thinking: true)
                    == .init(reasoning: "a", content: "b<think>c</think>d<tool_call>e</tool_call>"))
        }
    }

    @Test func onlyOneOpeningTagIsDroppedAndOnlyAtTheStart() {
        #expect(parse(["<think><think>a"], thinking: true) == .init(reasoning: "<think>a", content: ""))
        #expect(parse([" <think>a"], thinking: true) == .init(reasoning: " <think>a", content: ""))
        #expect(parse(["<think>a"], thinking: false) == .init(reasoning: "", content: "<think>a"))
    }

    /// Only what may still become a tag is held back, and no longer than that.
    @Test func textIsGivenOutAsSoonAsItIsCertain() {
        var parser = ReasoningParser(thinking: true)
        #expect(parser.append("a <") == .init(reasoning: "a "))
        #expect(parser.append("/thin") == .init())
        #expect(parser.append("g <tool") == .init(reasoning: "</thing "))
        #expect(parser.isReasoning)
        #expect(parser.append("_call>x") == .init(content: "<tool_call>x"))
        #expect(!parser.isReasoning)
        #expect(parser.append("</thi") == .init(content: "</thi"))
        #expect(parser.finish() == .init())
        var open = ReasoningParser(thinking: true)
        #expect(open.append("<th") == .init())
        #expect(open.finish() == .init(reasoning: "<th"))
    }

    @Test func reasoningCanBeLeftInPlaceOrKeptUntilItEnds() {
        var together = ReasoningParser(thinking: true, separates: false)
        #expect(together.append("a</think>b") == .init(content: "a</think>b"))
        var kept = ReasoningParser(thinking: true, streamsReasoning: false)
        #expect(kept.append("a") == .init())
        #expect(kept.append("b</think>c") == .init(reasoning: "ab", content: "c"))
    }
}
