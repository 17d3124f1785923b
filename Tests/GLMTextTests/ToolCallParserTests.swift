import GLMFiles
import GLMTestSupport
import GLMText
import Testing

/// What the events of a stream add up to.
private struct Merged {
    var content = ""
    var names: [String] = []
    /// The pieces of each call's arguments.
    var pieces: [String] = []
    /// The whole arguments of each completed call.
    var completed: [Int: String] = [:]

    init(_ chunks: [String], tools: [ToolDefinition]) {
        var parser = ToolCallParser(tools: tools)
        for event in chunks.flatMap({ parser.append($0) }) + parser.finish() {
            switch event {
            case .content(let text): content += text
            case .call(let index, let name):
                #expect(index == names.count, "indices are 0, 1, 2, … and each name is sent once")
                names.append(name)
                pieces.append("")
            case .arguments(let index, let text):
                #expect(!text.isEmpty)
                pieces[index] += text
            case .end(let index, let arguments): completed[index] = arguments
            }
        }
    }
}

struct ToolCallParserTests {
    private func tools(_ json: String) throws -> [ToolDefinition] {
        try ToolDefinition.list(json: Array(json.utf8), source: "tools")
    }

    /// A tool `f` with one parameter `x`.
    private func tool(_ schema: String) throws -> [ToolDefinition] {
        try tools("[{\"name\":\"f\",\"parameters\":{\"properties\":{\"x\":\(schema)}}}]")
    }

    /// Equal as JSON values: numbers as numbers, keys in any order.
    private func same(_ one: JSONValue, _ other: JSONValue) -> Bool {
        switch (one.kind, other.kind) {
        case (.number, .number): one.double == other.double
        case (.array, .array):
            one.count == other.count
                && zip(one.elements ?? [], other.elements ?? []).allSatisfy { same($0, $1) }
        case (.object, .object):
            one.count == other.count
                && (one.members ?? []).allSatisfy { key, value in
                    other[key.description].map { same(value, $0) } ?? false
                }
        default: JSON(one) == JSON(other)
        }
    }

    /// Reads pieces put together. Of equal keys the later one holds, which our own strict reader refuses; the
    /// one case that has them starts with the key twice.
    private func merged(_ text: String) throws -> JSONValue {
        if let document = try? Fixture.parse(text) {
            return document.root
        }
        let first = try #require(text.firstRange(of: ", \"city\": "))
        return try Fixture.parse("{" + text[first.lowerBound...].dropFirst(2)).root
    }

    @Test func everyCaseInOnePiece() throws {
        let cases = try #require(Fixture.json("glm47_tool_cases.json")["cases"]).list()
        #expect(cases.count == 78)
        for item in cases {
            let id = try item.text("id")
            let tools = try tools(JSON(try #require(item["tools"])).text())
            let expected = try #require(item["expect"])
            let result = ToolCallParser.parse(try item.text("output"), tools: tools)
            #expect(
                PythonText.stripped(result.content) == PythonText.stripped(try expected.text("content")),
                "\(id)")
            let calls = try #require(expected["calls"]).list()
            #expect(result.calls.count == calls.count, "\(id)")
            for (call, wanted) in zip(result.calls, calls) {
                let arguments = try Fixture.parse(call.arguments).root
                #expect(call.name == (try wanted.text("name")), "\(id)")
                #expect(same(arguments, try #require(wanted["arguments"])), "\(id): \(call.arguments)")
            }
        }
    }

    @Test func everyCaseAtEverySplit() throws {
        for item in try #require(Fixture.json("glm47_tool_cases.json")["cases"]).list() {
            let id = try item.text("id")
            let output = try item.text("output")
            let tools = try tools(JSON(try #require(item["tools"])).text())
            let whole = ToolCallParser.parse(output, tools: tools)
            let isPartial = try item.text("streaming") == "partial"
            for chunks in Splits.all(of: output) {
                let merged = Merged(chunks, tools: tools)
                if isPartial {
                    #expect(merged.completed.isEmpty, "\(id): \(chunks)")
                    #expect(merged.pieces.allSatisfy { (try? Fixture.parse($0)) == nil }, "\(id): \(chunks)")
                    continue
                }
                #expect(PythonText.stripped(merged.content) == PythonText.stripped(whole.content), "\(id)")
                #expect(merged.names == whole.calls.map(\.name), "\(id): \(chunks)")
                for (ordinal, call) in whole.calls.enumerated() {
                    #expect(merged.completed[ordinal] == call.arguments, "\(id): \(chunks)")
                    let pieces = try self.merged(merged.pieces[ordinal])
                    #expect(same(pieces, try Fixture.parse(call.arguments).root), "\(id): \(merged.pieces)")
                }
            }
        }
    }

    /// Schema, text between the tags, value.
    @Test(arguments: [
        // Only a string is possible.
        (#"{"type":"string"}"#, "123", #""123""#), (#"{"type":["string"]}"#, "null", #""null""#),
        (#"{"enum":["a","b"]}"#, "1", #""1""#), (#"{"const":"a"}"#, "a", #""a""#),
        (#"{"allOf":[{"type":["string","null"]},{"type":"string"}]}"#, "null", #""null""#),
        // Numbers.
        (#"{"type":"integer"}"#, "\"123\"", "123"), (#"{"type":"integer"}"#, "1.5", "1.5"),
        (#"{"type":"integer"}"#, "123abc", #""123abc""#), (#"{"type":"integer"}"#, "\"1.5\"", #""1.5""#),
        (#"{"type":"number"}"#, "\"1.5e3\"", "1.5e3"), (#"{"type":"number"}"#, "NaN", #""NaN""#),
        (#"{"type":"integer"}"#, "123456789012345678901234567890", "123456789012345678901234567890"),
        (#"{"type":"integer"}"#, " 7\n", "7"), (#"{"type":"boolean"}"#, "True", "true"),
        (#"{"type":"null"}"#, "None", "null"), (#"{"type":"number"}"#, "+.5", "0.5"),
        // Objects and arrays: JSON, JSON escaped once too often, a Python literal, else the text.
        (#"{"type":"array"}"#, #"[{\"a\": 1}]"#, #"[{"a": 1}]"#),
        (#"{"type":"object"}"#, "{'a':(1,),}", #"{"a": [1]}"#),
        (#"{"type":"object"}"#, "{'a': [True, None, -1.5, 'é\\n']}", #"{"a": [true, null, -1.5, "é\n"]}"#),
        (#"{"type":"object"}"#, "{a: 1}", #""{a: 1}""#), (#"{"items":{}}"#, "(1, 'x')", #"[1, "x"]"#),
        (#"{"properties":{}}"#, "{'k': 'v' 'w'}", #"{"k": "vw"}"#),
        // Unions with string.
        (#"{"type":["string","integer"]}"#, "true", #""true""#),
        (#"{"type":["string","integer"]}"#, "7", "7"),
        (#"{"type":["string","null"]}"#, "null", "null"),
        (#"{"type":["string","null"]}"#, "\"null\"", #""null""#),
        (#"{"type":["string","number"]}"#, "5", "5"), (#"{"type":["string","integer"]}"#, "5.0", #""5.0""#),
        (#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#, "{'a': 1}", #""{'a': 1}""#),
        (#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#, "{\"a\":1}", #"{"a": 1}"#),
        (#"{"enum":["auto",1,null]}"#, "1", "1"), (#"{"enum":["auto",1,null]}"#, "2", #""2""#),
        (#"{"enum":["auto",1,null]}"#, "true", #""true""#), (#"{"enum":["auto",1]}"#, "1.0", #""1.0""#),
        (#"{"oneOf":[{"type":"string"},{"const":3}]}"#, "3", "3"),
        (#"{"oneOf":[{"type":"string"},{"const":3}]}"#, "4", #""4""#),
        (#"{"type":["string","integer"],"enum":["a",1]}"#, "2", #""2""#),
        // Nothing known.
        ("{}", "7", "7"), ("true", "x", #""x""#), (#"{"type":"text"}"#, "7", "7"),
    ])
    func valuesAreConvertedByTheirSchema(_ schema: String, _ text: String, _ expected: String) throws {
        let output = "<tool_call>f<arg_key>x</arg_key><arg_value>\(text)</arg_value></tool_call>"
        let result = ToolCallParser.parse(output, tools: try tool(schema))
        #expect(result.calls.map(\.arguments) == ["{\"x\": \(expected)}"])
        for chunks in Splits.all(of: output) {
            #expect(try Merged(chunks, tools: tool(schema)).pieces == ["{\"x\": \(expected)}"])
        }
    }

    @Test func localReferencesAreFollowedAndCyclesEnd() throws {
        let tools = try tools(
            #"""
            [{"name": "f", "parameters": {"properties": {
                "s": {"$ref": "#/$defs/a~1b"}, "n": {"$ref": "#/$defs/list/1"}, "c": {"$ref": "#/$defs/loop"},
                "m": {"$ref": "#/nowhere"}},
              "$defs": {"a/b": {"$ref": "#/$defs/t~0"}, "t~": {"type": "string"},
                "list": [{}, {"type": "integer"}],
                "loop": {"anyOf": [{"$ref": "#/$defs/loop"}, {"type": "string"}]}}}}]
            """#)
        let values = ["s": "1", "n": "\"2\"", "c": "3", "m": "4"]
        let expected = ["s": "\"1\"", "n": "2", "c": "3", "m": "4"]
        for (key, text) in values {
            let output = "<tool_call>f<arg_key>\(key)</arg_key><arg_value>\(text)</arg_value></tool_call>"
            let result = ToolCallParser.parse(output, tools: tools)
            #expect(result.calls.map(\.arguments) == ["{\"\(key)\": \(expected[key] ?? "")}"])
        }
    }

    /// Alternatives at the root are chosen by what the other arguments say, wherever these stand.
    @Test(arguments: [
        ("kind", "a", "value", "5", #"{"kind": "a", "value": "5"}"#),
        ("kind", "b", "value", "5", #"{"kind": "b", "value": 5}"#),
        ("value", "5", "kind", "a", #"{"value": "5", "kind": "a"}"#),
        ("value", "5", "kind", "c", #"{"value": 5, "kind": "c"}"#),
    ])
    func alternativesAtTheRoot(
        _ key: String, _ text: String, _ secondKey: String, _ second: String, _ expected: String
    ) throws {
        let tools = try tools(
            #"""
            [{"name": "f", "parameters": {"oneOf": [
              {"properties": {"kind": {"const": "a"}, "value": {"type": "string"}}},
              {"properties": {"kind": {"enum": ["b", "c"]}, "value": {"type": "integer"}}}]}}]
            """#)
        let output =
            "<tool_call>f<arg_key>\(key)</arg_key><arg_value>\(text)</arg_value><arg_key>\(secondKey)"
            + "</arg_key><arg_value>\(second)</arg_value></tool_call>"
        #expect(ToolCallParser.parse(output, tools: tools).calls.map(\.arguments) == [expected])
        var parser = ToolCallParser(tools: tools)
        let early = parser.append(String(output.dropLast()))
        #expect(early == [.call(index: 0, name: "f")], "nothing but the name before the call is complete")
        #expect(
            parser.append(">") == [.arguments(index: 0, text: expected), .end(index: 0, arguments: expected)])
    }

    /// Text, what is content, the calls.
    @Test(
        arguments: [
            ("<tool_call></tool_call>a<tool_call>f</tool_call>", "a", ["{}"]),
            ("<tool_call> \n</tool_call><tool_call>f\n</tool_call>", "", ["{}"]),
            ("a</tool_call>b<arg_key>", "a</tool_call>b<arg_key>", []),
            ("<tool_call>g<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>x", "x", []),
            (
                "<tool_call>f<arg_key>x</arg_key>\\n \\n<arg_value>1</arg_value></tool_call>", "",
                [#"{"x": "1"}"#]
            ),
            (
                "<tool_call>f<arg_key> x\n</arg_key><arg_value> 1\n</arg_value>\n</tool_call>", "",
                [#"{"x": " 1\n"}"#]
            ),
            ("<tool_call>f<arg_key>x</arg_key>?<arg_value>1</arg_value></tool_call>", "", ["{}"]),
            (
                "<tool_call>f<arg_key>x</arg_key><arg_key>y</arg_key><arg_value>1</arg_value></tool_call>",
                "", [#"{"y": 1}"#]
            ),
            (
                "<tool_call>f<arg_key>x</arg_key><arg_value>a</tool_call> b</arg_value></tool_call>",
                "b</arg_value></tool_call>", [#"{"x": "a"}"#]
            ),
            (
                "<tool_call>f<arg_key>x</arg_key></tool_call><tool_call>f<arg_key>x</tool_call>", "",
                ["{}", "{}"]
            ),
            ("<tool_call>f<arg_key>x</arg_key><arg_value><</arg_value></tool_call>", "", [#"{"x": "<"}"#]),
            (
                "<tool_call>f<arg_key>x</arg_key><arg_value>1</arg_value>"
                    + "<arg_key>x</arg_key><arg_value>2</arg_value></tool_call>", "", [#"{"x": "2"}"#]
            ),
            (
                "<tool_call>f<arg_key>x</arg_key><arg_value>\u{301}☀\u{fe0f}\r\n</arg_value></tool_call>",
                "",
                ["{\"x\": \"\u{301}☀\u{fe0f}\\r\\n\"}"]
            ),
            (" a <tool_call>f</tool_call> b ", "a  b", ["{}"]), (" a <b ", " a <b ", []),
            ("<tool_call>f</tool_call><tool_call>f<arg_key>x", "<tool_call>f<arg_key>x", ["{}"]),
            ("<tool_call>nope", "<tool_call>nope", []), ("x<tool_ca", "x<tool_ca", []),
            ("<tool_call>g<arg_key>y", "<tool_call>g<arg_key>y", []),
        ] as [(String, String, [String])])
    func oddities(_ output: String, _ content: String, _ arguments: [String]) throws {
        let tools = try tool(#"{"type": "string"}"#)
        let result = ToolCallParser.parse(output, tools: tools)
        #expect(result.content == content)
        #expect(result.calls.map(\.arguments) == arguments)
        let isOpen = output.hasSuffix("<arg_key>x")
        for chunks in Splits.all(of: output) {
            let merged = Merged(chunks, tools: tools)
            #expect(merged.completed.count == arguments.count, "\(chunks)")
            let complete = zip(merged.pieces, arguments).filter { $0 != $1 }
            #expect(complete.isEmpty || arguments == [#"{"x": "2"}"#], "\(merged.pieces)")
            if !isOpen {
                #expect(PythonText.stripped(merged.content) == PythonText.stripped(content), "\(chunks)")
            }
        }
    }

    /// Strings go out as they come, other values when they are whole, and a prefix of valid JSON at any time.
    @Test func piecesComeAsEarlyAsTheyAreCertain() throws {
        let tools = try tools(
            #"[{"name":"f","parameters":{"properties":{"s":{"type":"string"},"n":{"type":"integer"}}}}]"#)
        var parser = ToolCallParser(tools: tools)
        #expect(parser.append("Hi <too") == [.content("Hi ")])
        #expect(parser.append("l_call>f\n<arg") == [])
        #expect(
            parser.append("_key>s</arg_key><arg_value>a\"b<") == [
                .call(index: 0, name: "f"), .arguments(index: 0, text: #"{"s": "a\"b"#),
            ])
        #expect(parser.append("x</arg_v") == [.arguments(index: 0, text: "<x")])
        #expect(parser.append("alue><arg_key>n</arg_key><arg_value>1") == [.arguments(index: 0, text: "\"")])
        #expect(
            parser.append("2</arg_value></tool_call><tool_call>f</tool_call>") == [
                .arguments(index: 0, text: #", "n": 12}"#),
                .end(index: 0, arguments: #"{"s": "a\"b<x", "n": 12}"#),
                .call(index: 1, name: "f"), .arguments(index: 1, text: "{}"), .end(index: 1, arguments: "{}"),
            ])
        #expect(parser.append("< ") == [.content("< ")])
        #expect(
            parser.append("<tool_call>f<arg_key>s</arg_key><arg_value>open") == [
                .call(index: 2, name: "f"), .arguments(index: 2, text: #"{"s": "open"#),
            ])
        #expect(parser.finish() == [], "a call that the model did not end is not ended for it")
    }

    /// Random markup: whatever the pieces, the same calls; what was sent is the whole or the beginning of it.
    @Test func randomMarkupIsTheSameAtEverySplit() throws {
        let tools = try tools(
            #"""
            [{"name": "f", "parameters": {"properties": {"s": {"type": "string"}, "n": {"type": "integer"}}}},
             {"name": "g"}]
            """#
        )
        let alphabet = [
            "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "f", "g",
            "s", "n",
            "7", " ", "\n", "<", "</", "é", "\"", "\\n", "f<arg_key>s</arg_key><arg_value>",
            "<tool_call>f<arg_key>",
        ]
        var random = TestRandom(state: 47)
        for _ in 0..<150 {
            let count = Int.random(in: 1...14, using: &random)
            let output = (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
                .joined()
            let whole = ToolCallParser.parse(output, tools: tools)
            let reference = Merged([output], tools: tools)
            for chunks in Splits.all(of: output) {
                let merged = Merged(chunks, tools: tools)
                #expect(merged.content == reference.content, "\(chunks)")
                #expect(
                    merged.completed.sorted { $0.key < $1.key }.map(\.value) == whole.calls.map(\.arguments))
                #expect(merged.pieces == reference.pieces, "\(chunks)")
            }
        }
    }

    /// Followed along every path these would take longer than anybody waits, or more stack than there is.
    @Test(arguments: ["anyOf", "oneOf", "allOf"])
    func schemasThatReferToEachOtherAreReadOnce(keyword: String) throws {
        func branches(_ references: [Int]) -> String {
            "{\"\(keyword)\":[\(references.map { "{\"$ref\":\"#/d/\($0)\"}" }.joined(separator: ","))]}"
        }
        let doubling = (0..<40).map { branches([$0 + 1, $0 + 1]) } + [#"{"type":["integer","string"]}"#]
        let mesh = (0..<12).map { _ in branches(Array(0..<12)) }
        let chain = (0..<20_000).map { branches([$0 + 1]) } + [#"{"type":"integer"}"#]
        for definitions in [doubling, mesh, chain] {
            let list = definitions.enumerated().map { "\"\($0)\":\($1)" }.joined(separator: ",")
            for schema in ["\"properties\":{\"x\":{\"$ref\":\"#/d/0\"}}", "\"allOf\":[{\"$ref\":\"#/d/0\"}]"]
            {
                let tools = try tools("[{\"name\":\"f\",\"parameters\":{\(schema),\"d\":{\(list)}}}]")
                let call = "<tool_call>f<arg_key>x</arg_key><arg_value>7</arg_value></tool_call>"
                #expect(ToolCallParser.parse(call, tools: tools).calls.first?.arguments == #"{"x": 7}"#)
            }
        }
    }

    /// What is given out can be read again: by our own reader too, which allows 128 levels.
    @Test func aValueNestedTooDeepForItsObjectIsText() throws {
        func arguments(_ depth: Int) throws -> JSONValue {
            let value = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let call = "<tool_call>f<arg_key>x</arg_key><arg_value>\(value)</arg_value></tool_call>"
            let calls = ToolCallParser.parse(call, tools: try tools(#"[{"name":"f"}]"#)).calls
            return try JSONDocument(parsing: Array(#require(calls.first).arguments.utf8), source: "test").root
        }
        #expect(try arguments(127)["x"]?.kind == .array)
        #expect(try arguments(128)["x"]?.kind == .string)
    }
}
