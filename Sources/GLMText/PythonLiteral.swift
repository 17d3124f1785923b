// Python literals as values. Knows no schema.

import GLMFiles

/// What `ast.literal_eval` makes of a text, as far as JSON can say it: `None True False`, numbers, strings,
/// lists, tuples (as arrays) and dictionaries with string keys (of equal keys the later one holds).
struct PythonLiteral {
    private static let deepest = 64

    private let bytes: [UInt8]
    private var place = 0

    /// The value of `text`, nil when it is no such literal.
    static func value(of text: String) -> JSON? {
        var reader = PythonLiteral(bytes: Array(text.utf8))
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipSpace()
        return reader.place == reader.bytes.count ? value : nil
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0a, 0x0d, 0x0c].contains(byte) {
            place += 1
        }
    }

    /// Skips white space, then `byte` if it is there.
    private mutating func skip(_ byte: UInt8) -> Bool {
        skipSpace()
        guard next == byte else { return false }
        place += 1
        return true
    }

    private mutating func value(depth: Int) -> JSON? {
        guard depth < PythonLiteral.deepest else { return nil }
        skipSpace()
        switch next {
        case UInt8(ascii: "["):
            return elements(closing: UInt8(ascii: "]"), depth: depth).map { .array($0.values) }
        case UInt8(ascii: "("):
            guard let (values, hasComma) = elements(closing: UInt8(ascii: ")"), depth: depth) else {
                return nil
            }
            // (x) is x; (x,) and () are tuples.
            return values.count == 1 && !hasComma ? values[0] : .array(values)
        case UInt8(ascii: "{"): return dictionary(depth: depth)
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return strings().map { .string($0) }
        default: return word()
        }
    }

    private mutating func elements(closing: UInt8, depth: Int) -> (values: [JSON], hasComma: Bool)? {
        place += 1
        var values: [JSON] = []
        var hasComma = false
        while !skip(closing) {
            guard values.isEmpty || hasComma, let element = value(depth: depth + 1) else { return nil }
            values.append(element)
            hasComma = skip(UInt8(ascii: ","))
        }
        return (values, hasComma)
    }

    private mutating func dictionary(depth: Int) -> JSON? {
        place += 1
        var members: [JSON.Member] = []
        var places: [ByteString: Int] = [:]
        var needsComma = false
        while !skip(UInt8(ascii: "}")) {
            guard !needsComma, case .string(let key) = value(depth: depth + 1), skip(UInt8(ascii: ":")),
                let element = value(depth: depth + 1)
            else { return nil }
            if let known = places.updateValue(
                places[ByteString(key)] ?? members.count, forKey: ByteString(key))
            {
                members[known].value = element
            } else {
                members.append(.init(key, element))
            }
            needsComma = !skip(UInt8(ascii: ","))
        }
        return .object(members)
    }

    /// One string, or several that follow each other.
    private mutating func strings() -> String? {
        var text = ""
        while let quote = next, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") {
            guard let part = string(quote) else { return nil }
            text += part
            skipSpace()
        }
        return text
    }

    private mutating func string(_ quote: UInt8) -> String? {
        place += 1
        var content: [UInt8] = []
        while let byte = next {
            place += 1
            switch byte {
            case quote: return String(validating: content, as: UTF8.self)
            case UInt8(ascii: "\\"): guard escape(into: &content) else { return nil }
            case 0x0a, 0x0d: return nil
            default: content.append(byte)
            }
        }
        return nil
    }

    /// The escape behind a backslash. An unknown one stands for itself, backslash included.
    private mutating func escape(into content: inout [UInt8]) -> Bool {
        guard let byte = next else { return false }
        place += 1
        switch byte {
        case UInt8(ascii: "n"): content.append(0x0a)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "r"): content.append(0x0d)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0c)
        case UInt8(ascii: "v"): content.append(0x0b)
        case UInt8(ascii: "a"): content.append(0x07)
        case 0x0a: break
        case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): content.append(byte)
        case UInt8(ascii: "x"): return scalar(digits: 2, into: &content)
        case UInt8(ascii: "u"): return scalar(digits: 4, into: &content)
        case UInt8(ascii: "U"): return scalar(digits: 8, into: &content)
        case UInt8(ascii: "0")...UInt8(ascii: "7"), UInt8(ascii: "N"): return false
        default: content += [UInt8(ascii: "\\"), byte]
        }
        return true
    }

    private mutating func scalar(digits: Int, into content: inout [UInt8]) -> Bool {
        guard place + digits <= bytes.count,
            let value = UInt32(String(decoding: bytes[place..<place + digits], as: UTF8.self), radix: 16),
            let scalar = Unicode.Scalar(value)
        else { return false }
        place += digits
        content += UTF8.encode(scalar).map { Array($0) } ?? []
        return true
    }

    /// A name or a number.
    private mutating func word() -> JSON? {
        let start = place
        while let byte = next, !" \t\n\r,:[](){}'\"".utf8.contains(byte) {
            place += 1
        }
        let word = String(decoding: bytes[start..<place], as: UTF8.self)
        switch word {
        case "None": return .null
        case "True": return .bool(true)
        case "False": return .bool(false)
        default: return PythonLiteral.number(word)
        }
    }

    /// A decimal number: a sign, digits, a fraction and an exponent, in JSON's form but for a leading `+` or
    /// a point at either end.
    private static func number(_ word: String) -> JSON? {
        var literal = word.hasPrefix("+") ? String(word.dropFirst()) : word
        let sign = literal.hasPrefix("-") ? "-" : ""
        literal = String(literal.dropFirst(sign.count))
        if literal.hasPrefix(".") {
            literal = "0" + literal
        }
        if literal.hasSuffix(".") {
            literal += "0"
        }
        guard let value = JSONText.value(sign + literal) else { return nil }
        switch value {
        case .integer, .number: return value
        default: return nil
        }
    }
}

/// JSON values inside text that a model wrote.
enum JSONText {
    /// The value of a whole JSON text, nil when it is none. It will stand inside an object, so it may be nested
    /// one level less than a text of its own.
    static func value(_ text: String) -> JSON? {
        let inside = [UInt8(ascii: "[")] + text.utf8 + [UInt8(ascii: "]")]
        let elements = (try? JSONDocument(parsing: inside, source: ""))?.root.elements ?? []
        return elements.count == 1 ? elements.first.map { JSON($0) } : nil
    }
}
