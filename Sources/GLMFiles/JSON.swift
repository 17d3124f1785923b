// JSON text from values. Reading is JSONDocument's.

/// A JSON value to be written. Members keep their order.
///
/// Two values are equal when their texts are: strings and keys by bytes, numbers by their literals.
package indirect enum JSON: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    /// A number as it shall be written; `init(_: Double)` makes one.
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package var key: String
        package var value: JSON

        package init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }

        package static func == (left: Member, right: Member) -> Bool {
            left.key.utf8.elementsEqual(right.key.utf8) && left.value == right.value
        }
    }

    /// What stands between the parts.
    package enum Style: Sendable {
        /// No space at all.
        case compact
        /// `", "` and `": "` on one line, as Python's `json.dumps`.
        case spaced
        /// One member or element a line, two spaces a level; empty containers stay closed.
        case indented
    }

    /// The shortest literal that reads back as `value`; null when it is not finite.
    package init(_ value: Double) {
        self = value.isFinite ? .number("\(value)") : .null
    }

    /// The shortest literal that reads back as `value`; null when it is not finite.
    package init(_ value: Float) {
        self = value.isFinite ? .number("\(value)") : .null
    }

    /// A value that was read; `integer` when it is one exactly, else the literal as it was written.
    package init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .bool: self = .bool(value.bool ?? false)
        case .number:
            let literal = value.numberLiteral ?? "0"
            self = literal == "-0" ? .number(literal) : value.integer.map { .integer($0) } ?? .number(literal)
        case .string: self = .string(value.string ?? "")
        case .array: self = .array((value.elements ?? []).map { JSON($0) })
        case .object:
            self = .object((value.members ?? []).map { Member($0.key.description, JSON($0.value)) })
        }
    }

    /// The first member with this key, compared by bytes.
    package subscript(_ key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// The text; characters outside ASCII are written as they are.
    package func text(_ style: Style = .compact) -> String {
        var bytes: [UInt8] = []
        write(style, depth: 0, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text's UTF-8.
    package func bytes(_ style: Style = .compact) -> [UInt8] {
        var bytes: [UInt8] = []
        write(style, depth: 0, to: &bytes)
        return bytes
    }

    private func write(_ style: Style, depth: Int, to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .integer(let value): bytes += String(value).utf8
        case .number(let literal): bytes += literal.utf8
        case .string(let text): JSON.quote(text, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (ordinal, element) in elements.enumerated() {
                JSON.separate(ordinal, style, depth + 1, &bytes)
                element.write(style, depth: depth + 1, to: &bytes)
            }
            JSON.finish(elements.isEmpty, style, depth, &bytes)
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (ordinal, member) in members.enumerated() {
                JSON.separate(ordinal, style, depth + 1, &bytes)
                JSON.quote(member.key, to: &bytes)
                bytes += (style == .compact ? ":" : ": ").utf8
                member.value.write(style, depth: depth + 1, to: &bytes)
            }
            JSON.finish(members.isEmpty, style, depth, &bytes)
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func separate(_ ordinal: Int, _ style: Style, _ depth: Int, _ bytes: inout [UInt8]) {
        if ordinal > 0 { bytes.append(UInt8(ascii: ",")) }
        switch style {
        case .compact: break
        case .spaced: if ordinal > 0 { bytes.append(0x20) }
        case .indented: newLine(depth, &bytes)
        }
    }

    private static func finish(_ isEmpty: Bool, _ style: Style, _ depth: Int, _ bytes: inout [UInt8]) {
        if style == .indented, !isEmpty { newLine(depth, &bytes) }
    }

    private static func newLine(_ depth: Int, _ bytes: inout [UInt8]) {
        bytes.append(0x0a)
        bytes.append(contentsOf: repeatElement(0x20, count: 2 * depth))
    }

    /// The same escapes as Python's `json.dumps(ensure_ascii=False)`.
    private static func quote(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): bytes += #"\""#.utf8
            case UInt8(ascii: "\\"): bytes += #"\\"#.utf8
            case 0x08: bytes += #"\b"#.utf8
            case 0x0c: bytes += #"\f"#.utf8
            case 0x0a: bytes += #"\n"#.utf8
            case 0x0d: bytes += #"\r"#.utf8
            case 0x09: bytes += #"\t"#.utf8
            case 0..<0x20: bytes += (#"\u00"# + (byte < 16 ? "0" : "") + String(byte, radix: 16)).utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSON: Equatable {
    package static func == (left: JSON, right: JSON) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.integer(let one), .integer(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.string(let one), .string(let other)): one.utf8.elementsEqual(other.utf8)
        case (.array(let one), .array(let other)): one == other
        case (.object(let one), .object(let other)): one == other
        default: false
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral text: String) { self = .string(text) }
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// Members in the order of the literal.
    package init(dictionaryLiteral members: (String, JSON)...) {
        self = .object(members.map { Member($0.0, $0.1) })
    }
}
