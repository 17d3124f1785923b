// However an output is divided into pieces, its reasoning, its content and its calls are the same; a call's
// arguments are a JSON object, and so are the pieces of them together.
//
// Up to three sections, divided by 0 bytes: the output, lengths of pieces, and tools (a fixed set when there
// are none or they are refused).

import FuzzSupport
import GLMFiles
import GLMText

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzToolCalls(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let sections = fuzzedBytes(data, size).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    let text = String(decoding: sections[0], as: UTF8.self)
    let lengths = sections.count > 1 ? sections[1].map { Int($0) % 24 + 1 } : []
    let tools = sections.count > 2 ? read(Array(sections[2])) : nil
    checkReasoning(text, lengths)
    checkCalls(text, lengths, tools ?? Tools.fixed)
    // An open call, once more with its end: what was given out of its arguments can be completed.
    checkCalls(text + "</tool_call>", lengths, tools ?? Tools.fixed)
    return 0
}

private func read(_ tools: [UInt8]) -> [ToolDefinition]? {
    acceptedOrRefused(naming: "tools.json: ", "byte ") { () throws(InputError) in
        try ToolDefinition.list(json: tools, source: "tools.json")
    }
}

/// Tools that take every road of the conversion.
private enum Tools {
    static let fixed =
        read(
            Array(
                #"""
                [{"name":"f","parameters":{"properties":{
                "s":{"type":"string"},"i":{"type":"integer"},"n":{"type":["number","null"]},"b":{"type":"boolean"},
                "a":{"type":"array"},"o":{"type":"object"},"e":{"enum":[1,"1",null]},"r":{"$ref":"#/$defs/d"},
                "u":{"anyOf":[{"type":"string"},{"type":"integer"}]}},"$defs":{"d":{"allOf":[{"type":"number"},
                {"$ref":"#/$defs/d"}]}}}},
                {"name":"g"},
                {"function":{"name":"h","parameters":{"oneOf":[
                {"properties":{"k":{"const":"x"},"v":{"type":"string"}}},
                {"properties":{"k":{"const":"y"},"v":{"type":"integer"}}}]}}}]
                """#.utf8)) ?? []
}

/// `text` cut into pieces of as many scalars as `lengths` say, over and over; one by one when they say nothing.
private func pieces(_ text: String, _ lengths: [Int]) -> [String] {
    var pieces: [String] = []
    var rest = text.unicodeScalars[...]
    while !rest.isEmpty {
        let length = lengths.isEmpty ? 1 : lengths[pieces.count % lengths.count]
        pieces.append(String(rest.prefix(length)))
        rest = rest.dropFirst(length)
    }
    return pieces
}

private func checkReasoning(_ text: String, _ lengths: [Int]) {
    for (thinking, streams) in [(true, true), (true, false), (false, true)] {
        for pieces in [[text], pieces(text, lengths), pieces(text, [])] {
            var parser = ReasoningParser(thinking: thinking, streamsReasoning: streams)
            var (reasoning, content) = ("", "")
            for delta in pieces.map({ parser.append($0) }) + [parser.finish()] {
                reasoning += delta.reasoning
                content += delta.content
            }
            let naive = divided(Array(text.utf8), thinking: thinking)
            require(reasoning.utf8.elementsEqual(naive.reasoning), "reasoning '\(reasoning)'")
            require(content.utf8.elementsEqual(naive.content), "content '\(content)'")
        }
    }
}

/// Reasoning and content, found in the whole text.
private func divided(
    _ text: [UInt8], thinking: Bool
) -> (reasoning: ArraySlice<UInt8>, content: ArraySlice<UInt8>) {
    guard thinking else { return ([], text[...]) }
    let opening = "<think>".utf8
    let closing = "</think>".utf8
    let body = text.starts(with: opening) ? text.dropFirst(opening.count) : text[...]
    for place in body.indices where body[place] == UInt8(ascii: "<") {
        if body[place...].starts(with: closing) {
            return (body[..<place], body[place...].dropFirst(closing.count))
        }
        if body[place...].starts(with: "<tool_call>".utf8) { return (body[..<place], body[place...]) }
    }
    return (body, [])
}

private func checkCalls(_ text: String, _ lengths: [Int], _ tools: [ToolDefinition]) {
    let whole = records(of: [text], tools)
    require(records(of: pieces(text, lengths), tools) == whole, "pieces of \(lengths) say the same")
    require(records(of: pieces(text, []), tools) == whole, "single scalars say the same")
    let calls = ToolCallParser.parse(text, tools: tools).calls
    let ends = whole.filter { $0.kind == .end }
    require(calls.map { Array($0.arguments.utf8) } == ends.map(\.text), "the same arguments in one go")
    for end in ends {
        let streamed = whole.filter { $0.kind == .arguments && $0.index == end.index }.flatMap(\.text)
        checkArguments(end.text, streamed)
    }
    if !text.utf8.contains(UInt8(ascii: "<")) {
        require(whole.flatMap(\.text) == Array(text.utf8), "text without markup is content")
    }
}

private func checkArguments(_ bytes: [UInt8], _ streamed: [UInt8]) {
    let arguments = acceptedOrRefused { () throws(InputError) in
        try JSONDocument(parsing: bytes, source: "arguments")
    }
    guard let arguments, arguments.root.kind == .object else {
        require(false, "'\(String(decoding: bytes, as: UTF8.self))' is a JSON object")
        return
    }
    do throws(InputError) {
        let pieces = try JSONDocument(parsing: streamed, source: "pieces")
        require(JSON(pieces.root) == JSON(arguments.root), "the pieces say the same")
    } catch {
        // The pieces have both of two equal keys.
        require(
            error.description.contains("a second time in one object"), "'\(error)' is about equal keys alone")
    }
}

/// Neighbouring events of a kind as one.
private struct Record: Equatable {
    enum Kind { case content, call, arguments, end }
    var kind: Kind
    var index: Int
    var text: [UInt8]
}

private func records(of pieces: [String], _ tools: [ToolDefinition]) -> [Record] {
    var parser = ToolCallParser(tools: tools)
    var records: [Record] = []
    func add(_ kind: Record.Kind, _ index: Int, _ text: String) {
        if records.last?.kind == kind, records.last?.index == index {
            records[records.count - 1].text += text.utf8
        } else {
            records.append(Record(kind: kind, index: index, text: Array(text.utf8)))
        }
    }
    for event in pieces.flatMap({ parser.append($0) }) + parser.finish() {
        switch event {
        case .content(let text): add(.content, 0, text)
        case .call(let index, let name): add(.call, index, name)
        case .arguments(let index, let text): add(.arguments, index, text)
        case .end(let index, let arguments): add(.end, index, arguments)
        }
    }
    return records
}
