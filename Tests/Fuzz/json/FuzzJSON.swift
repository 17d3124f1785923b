// The JSON reader accepts exactly what a naive reader of the grammar accepts, with the same value; what it writes it
// reads back; a refusal names an offset in the text.

import FuzzSupport
import GLMFiles

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = fuzzedBytes(data, size)
    let naive = NaiveReader.read(bytes)
    let document: JSONDocument
    do {
        document = try JSONDocument(parsing: bytes, source: "fuzz")
    } catch {
        require(naive == nil, "refused what the grammar allows: \(error)")
        require(offset(in: error).map { $0 <= size } == true, "'\(error)' names an offset in \(size) bytes")
        return 0
    }
    let value = JSON(document.root)
    require(naive == value, "value \(value.text()), naive reader \(naive?.text() ?? "refuses")")
    for style in [JSON.Style.compact, .spaced, .indented] {
        let again = acceptedOrRefused { () throws(InputError) in
            try JSONDocument(parsing: value.bytes(style), source: "again")
        }
        require(again.map { JSON($0.root) } == value, "\(value.text(style)) reads back equal")
    }
    return 0
}

/// The N of a subject "byte N (line M)".
private func offset(in error: InputError) -> Int? {
    guard let subject = error.subject, subject.hasPrefix("byte ") else { return nil }
    return Int(subject.dropFirst(5).prefix { $0 != " " })
}

/// RFC 8259 read scalar by scalar, recursively, with nothing clever in it.
private struct NaiveReader {
    private let text: [Unicode.Scalar]
    private var place = 0

    /// The value of a text; nil when it is none, or has two equal keys, or is nested deeper than 128.
    static func read(_ bytes: [UInt8]) -> JSON? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var reader = NaiveReader(text: Array(text.unicodeScalars))
        reader.skipSpace()
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipSpace()
        return reader.place == reader.text.count ? value : nil
    }

    private init(text: [Unicode.Scalar]) {
        self.text = text
    }

    private var next: Unicode.Scalar? { place < text.count ? text[place] : nil }

    private mutating func skipSpace() {
        while let scalar = next, " \t\r\n".unicodeScalars.contains(scalar) { place += 1 }
    }

    private mutating func take(_ word: String) -> Bool {
        let scalars = Array(word.unicodeScalars)
        guard text[place...].starts(with: scalars) else { return false }
        place += scalars.count
        return true
    }

    private mutating func value(depth: Int) -> JSON? {
        if take("null") { return .null }
        if take("true") { return .bool(true) }
        if take("false") { return .bool(false) }
        if next == "\"" { return string().map { .string($0) } }
        if next == "[" || next == "{" {
            guard depth < 128 else { return nil }
            return next == "[" ? array(depth: depth + 1) : object(depth: depth + 1)
        }
        return number()
    }

    private mutating func array(depth: Int) -> JSON? {
        var elements: [JSON] = []
        place += 1
        skipSpace()
        if take("]") { return .array([]) }
        while true {
            guard let element = value(depth: depth) else { return nil }
            elements.append(element)
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { return nil }
            skipSpace()
        }
    }

    private mutating func object(depth: Int) -> JSON? {
        var members: [JSON.Member] = []
        var keys: Set<[UInt8]> = []
        place += 1
        skipSpace()
        if take("}") { return .object([]) }
        while true {
            guard let key = string(), keys.insert(Array(key.utf8)).inserted else { return nil }
            skipSpace()
            guard take(":") else { return nil }
            skipSpace()
            guard let value = value(depth: depth) else { return nil }
            members.append(JSON.Member(key, value))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { return nil }
            skipSpace()
        }
    }

    private mutating func number() -> JSON? {
        let start = place
        _ = take("-")
        if !take("0"), digits() == 0 { return nil }
        if take("."), digits() == 0 { return nil }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            if digits() == 0 { return nil }
        }
        var literal = String.UnicodeScalarView()
        literal.append(contentsOf: text[start..<place])
        let written = String(literal)
        return written == "-0" ? .number(written) : Int(written).map { .integer($0) } ?? .number(written)
    }

    private mutating func digits() -> Int {
        let start = place
        while let scalar = next, ("0"..."9").contains(scalar) { place += 1 }
        return place - start
    }

    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        var result = String.UnicodeScalarView()
        while let scalar = next {
            place += 1
            switch scalar {
            case "\"": return String(result)
            case "\\":
                guard let escaped = escape() else { return nil }
                result.append(escaped)
            case "\u{0}"..<"\u{20}": return nil
            default: result.append(scalar)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        let plain: [Unicode.Scalar: Unicode.Scalar] = [
            "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{c}", "n": "\n", "r": "\r", "t": "\t",
        ]
        guard let letter = next else { return nil }
        place += 1
        guard letter == "u" else { return plain[letter] }
        guard let unit = codeUnit() else { return nil }
        guard (0xd800..<0xdc00).contains(unit) else { return Unicode.Scalar(unit) }
        guard take("\\u"), let low = codeUnit(), (0xdc00..<0xe000).contains(low) else { return nil }
        return Unicode.Scalar((unit - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000)
    }

    private mutating func codeUnit() -> UInt32? {
        guard place + 4 <= text.count else { return nil }
        var value: UInt32 = 0
        for scalar in text[place..<place + 4] {
            guard scalar.isASCII, let digit = Character(scalar).hexDigitValue else { return nil }
            value = value * 16 + UInt32(digit)
        }
        place += 4
        return value
    }
}
