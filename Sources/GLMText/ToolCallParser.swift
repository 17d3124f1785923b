// Finding tool calls in a model's output. Knows no HTTP; conversion of values is ArgumentConverter's.

import GLMFiles

/// The tool-call parser of GLM models (`glm47`), fed piece by piece.
///
///     call := "<tool_call>" ws name ws pair* ws "</tool_call>" pair := "<arg_key>" key "</arg_key>" (ws |
///     "\n" as two characters)* "<arg_value>" value "</arg_value>" ws
///
/// A value ends at the first `</arg_value>`, a call at the first `</tool_call>`, even inside a value (which
/// then ends there too). Calls of tools that the request does not have, and calls without a name, are
/// dropped. What has been given out of a call's arguments is always the beginning of valid JSON, and for
/// every division of the output into pieces the events together say the same.
public struct ToolCallParser: Sendable {
    /// What became certain.
    public enum Event: Sendable, Equatable {
        /// Text outside calls.
        case content(String)
        /// A call has begun; indices count the calls that are kept.
        case call(index: Int, name: String)
        /// More of a call's arguments, JSON text.
        case arguments(index: Int, text: String)
        /// A call is complete. `arguments` is the whole JSON object; of equal keys the later one holds, at
        /// the place of the first (the pieces before had both).
        case end(index: Int, arguments: String)
    }

    private enum State {
        case content
        /// Behind `<tool_call>`.
        case name
        /// Inside a call that is dropped.
        case dropped
        /// Behind the name or a value.
        case pairs
        case key
        /// Behind `</arg_key>`.
        case separator
        case value
    }

    private enum Tag {
        static let call = Array("<tool_call>".utf8)
        static let endOfCall = Array("</tool_call>".utf8)
        static let key = Array("<arg_key>".utf8)
        static let endOfKey = Array("</arg_key>".utf8)
        static let value = Array("<arg_value>".utf8)
        static let endOfValue = Array("</arg_value>".utf8)
    }

    private var tools: [ByteString: ArgumentConverter] = [:]
    private var state = State.content
    private var buffer = MarkupBuffer()
    private var callCount = 0
    private var current = OpenCall()
    private var events: [Event] = []

    /// - Parameter tools: the tools of the request; of two with one name the first holds.
    public init(tools: [ToolDefinition]) {
        for tool in tools where self.tools[ByteString(tool.name)] == nil {
            self.tools[ByteString(tool.name)] = ArgumentConverter(tool.parameters)
        }
    }

    /// Takes more of the output.
    public mutating func append(_ text: String) -> [Event] {
        buffer.append(text)
        while step() {}
        return takeEvents()
    }

    /// The output has ended. What was held back is content; so is an unfinished call of which nothing was
    /// given out. Any other unfinished call stays open.
    public mutating func finish() -> [Event] {
        switch state {
        case .content: emit(content: buffer.takeAll())
        default:
            let text = unfinishedCall
            _ = buffer.takeAll()
            if !current.isAnnounced {
                emit(content: text)
            }
        }
        state = .content
        current = OpenCall()
        return takeEvents()
    }

    /// The calls of a whole output, and the text around them: trimmed when there was a call. An unfinished
    /// call is content.
    public static func parse(
        _ text: String, tools: [ToolDefinition]
    ) -> (content: String, calls: [(name: String, arguments: String)]) {
        var parser = ToolCallParser(tools: tools)
        var content = ""
        var name = ""
        var calls: [(name: String, arguments: String)] = []
        for event in parser.append(text) {
            switch event {
            case .content(let text): content += text
            case .call(_, let started): name = started
            case .arguments: break
            case .end(_, let arguments): calls.append((name, arguments))
            }
        }
        content += String(decoding: parser.unfinishedCall, as: UTF8.self)
        return (calls.isEmpty ? content : PythonText.stripped(content), calls)
    }

    /// All text since the last `<tool_call>` that no end tag followed, or what is held back outside a call.
    private var unfinishedCall: [UInt8] {
        var rest = buffer
        return current.text + rest.takeAll()
    }

    private mutating func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    private mutating func emit(content bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        if case .content(let before) = events.last {
            events[events.count - 1] = .content(before + text)
        } else {
            events.append(.content(text))
        }
    }

    private mutating func emit(arguments text: String) {
        guard !text.isEmpty else { return }
        if case .arguments(let index, let before) = events.last, index == callCount {
            events[events.count - 1] = .arguments(index: index, text: before + text)
        } else {
            events.append(.arguments(index: callCount, text: text))
        }
    }
}

extension ToolCallParser {
    /// Does what the buffer allows; false when more text is needed.
    private mutating func step() -> Bool {
        switch state {
        case .content: stepContent()
        case .name: stepName()
        case .dropped: stepDropped()
        case .pairs: stepPairs()
        case .key: stepKey()
        case .separator: stepSeparator()
        case .value: stepValue()
        }
    }

    private mutating func stepContent() -> Bool {
        switch buffer.search([Tag.call]) {
        case .none(let certain):
            emit(content: buffer.take(certain))
            return false
        case .found(let before, _):
            emit(content: before)
            current = OpenCall()
            current.text = Tag.call
            state = .name
            return true
        }
    }

    private mutating func stepName() -> Bool {
        guard let (before, tag) = find([Tag.key, Tag.endOfCall]) else { return false }
        let name = PythonText.stripped(String(decoding: before, as: UTF8.self))
        guard let converter = tools[ByteString(name)], !name.isEmpty else {
            state = tag == 0 ? .dropped : .content
            current = tag == 0 ? current : OpenCall()
            return true
        }
        current.converter = converter
        current.isAnnounced = true
        events.append(.call(index: callCount, name: name))
        state = .key
        if tag == 1 {
            endCall()
        }
        return true
    }

    private mutating func stepDropped() -> Bool {
        guard find([Tag.endOfCall]) != nil else { return false }
        state = .content
        current = OpenCall()
        return true
    }

    private mutating func stepPairs() -> Bool {
        guard let (_, tag) = find([Tag.key, Tag.endOfCall]) else { return false }
        state = .key
        if tag == 1 {
            endCall()
        }
        return true
    }

    private mutating func stepKey() -> Bool {
        guard let (before, tag) = find([Tag.endOfKey, Tag.endOfCall]) else { return false }
        current.key = PythonText.stripped(String(decoding: before, as: UTF8.self))
        state = .separator
        if tag == 1 {
            endCall()
        }
        return true
    }

    /// A key whose value does not follow is no argument.
    private mutating func stepSeparator() -> Bool {
        guard let (before, tag) = find([Tag.value, Tag.key, Tag.endOfCall]) else { return false }
        let between = PythonText.split(String(decoding: before, as: UTF8.self), "\\n").joined()
        switch tag {
        case 0 where between.unicodeScalars.allSatisfy(PythonText.isSpace):
            beginValue()
            state = .value
        case 0: state = .pairs
        case 1: state = .key
        default: endCall()
        }
        return true
    }

    private mutating func stepValue() -> Bool {
        switch buffer.search([Tag.endOfValue, Tag.endOfCall]) {
        case .none(let certain):
            addToValue(buffer.take(certain))
            return false
        case .found(let before, let tag):
            addToValue(before)
            current.text += tag == 0 ? Tag.endOfValue : Tag.endOfCall
            endValue()
            state = .pairs
            if tag == 1 {
                endCall()
            }
            return true
        }
    }

    /// Takes the text up to the first of `tags`, and the tag, from the buffer into the call.
    private mutating func find(_ tags: [[UInt8]]) -> (before: [UInt8], tag: Int)? {
        guard case .found(let before, let tag) = buffer.search(tags) else { return nil }
        current.text += before + tags[tag]
        return (before, tag)
    }

    private mutating func beginValue() {
        current.value = []
        current.streams = current.converter.map { !$0.dependsOnSiblings && $0.isString(current.key) } ?? false
        if current.streams {
            emit(arguments: current.opening() + "\"")
        }
    }

    private mutating func addToValue(_ bytes: [UInt8]) {
        current.text += bytes
        current.value += bytes
        if current.streams {
            // By bytes: a quote and a mark that follows it are one character to String.
            let quoted = JSON.string(String(decoding: bytes, as: UTF8.self)).bytes()
            emit(arguments: String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self))
        }
    }

    private mutating func endValue() {
        let text = String(decoding: current.value, as: UTF8.self)
        current.arguments.append((current.key, text))
        guard let converter = current.converter, !converter.dependsOnSiblings else { return }
        if current.streams {
            emit(arguments: "\"")
        } else {
            let value = converter.value(of: current.key, text, among: current.arguments)
            emit(arguments: current.opening() + value.text(.spaced))
        }
    }

    private mutating func endCall() {
        let whole = current.wholeArguments()
        if current.converter?.dependsOnSiblings == true {
            emit(arguments: whole)
        } else {
            emit(arguments: current.hasOpened ? "}" : "{}")
        }
        events.append(.end(index: callCount, arguments: whole))
        callCount += 1
        state = .content
        current = OpenCall()
    }
}

/// A call that has begun and not ended.
private struct OpenCall {
    /// Everything since `<tool_call>`, which is content should the call never end.
    var text: [UInt8] = []
    /// nil before the name is known, and for a tool that the request does not have.
    var converter: ArgumentConverter?
    /// The name was given out.
    var isAnnounced = false
    var key = ""
    var value: [UInt8] = []
    /// The value is given out as it comes.
    var streams = false
    /// Complete arguments, as texts.
    var arguments: [(key: String, text: String)] = []
    private(set) var hasOpened = false

    /// What stands before the value of `key`.
    mutating func opening() -> String {
        defer { hasOpened = true }
        return (hasOpened ? ", " : "{") + JSON.string(key).text() + ": "
    }

    /// The JSON text of all arguments.
    func wholeArguments() -> String {
        guard let converter else { return "{}" }
        var members: [JSON.Member] = []
        var places: [ByteString: Int] = [:]
        for (key, text) in arguments {
            let value = converter.value(of: key, text, among: arguments)
            if let known = places.updateValue(
                places[ByteString(key)] ?? members.count, forKey: ByteString(key))
            {
                members[known].value = value
            } else {
                members.append(.init(key, value))
            }
        }
        return JSON.object(members).text(.spaced)
    }
}
