import GLMFiles
import GLMTestSupport
import Testing

private func parse(_ text: String) throws -> JSONValue {
    try JSONDocument(parsing: Array(text.utf8), source: "text").root
}

private func parse(bytes: [UInt8]) throws -> JSONValue {
    try JSONDocument(parsing: bytes, source: "text").root
}

struct JSONDocumentTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-0", "-1.5e+10", "\"\"", "[]", "{}", " [ 1 , 2 ] \n",
        "{\"a\":{\"b\":[{}]}}",
        "\"\\u00e9\\ud83d\\ude00\\\\\\/\"", "\"é😀\u{7f}\u{2028}\"", "[[[]],{},[]]", "1E5",
        "123456789012345678901",
    ])
    func accepts(_ text: String) throws {
        _ = try parse(text)
    }

    @Test(arguments: [
        ("", "byte 0"), (" ", "the end of the text"), ("[1,]", "byte 3"), ("{\"a\":1,}", "byte 7"),
        ("[1 2]", "byte 3"),
        ("01", "byte 1"), ("-", "a digit"), ("1.", "a digit"), ("1e", "a digit"), (".5", "byte 0"),
        ("+1", "byte 0"),
        ("nul", "byte 3"), ("nulL", "byte 3"), ("NaN", "byte 0"), ("Infinity", "byte 0"),
        ("-Infinity", "byte 1"),
        ("'a'", "byte 0"), ("{a:1}", "byte 1"), ("{\"a\"}", "':'"), ("[", "the end of the text"),
        ("{", "the end of the text"), ("\"", "closing quote"), ("\"a\nb\"", "control character"),
        ("\"\\x\"", "after a backslash"), ("\"\\u12g4\"", "hexadecimal"), ("\"\\ud800\"", "surrogate"),
        ("\"\\udc00\"", "surrogate"), ("\"\\ud800\\n\"", "surrogate"), ("\"\\ud800\\ud800\"", "surrogate"),
        ("1 2", "nothing after"), ("[]]", "byte 2"), ("{}x", "byte 2"), ("// a\n1", "byte 0"),
        ("\u{feff}1", "byte order"),
        ("{\"a\":1,\"a\":2}", "byte 8"), ("{\"a\":1,\"\\u0061\":2}", "second time"), ("[1\u{a0},2]", "0xc2"),
    ])
    func refuses(_ text: String, _ part: String) {
        expectRefused(containing: "text: byte", part) { _ = try parse(text) }
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0xaf], [0xc1, 0xbf], [0xc3], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf],
            [0xed, 0xa0, 0x80],
            [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff],
            [0xe2, 0x82],
            [0xe2, 0x28, 0xa1], [0xf0, 0x9f, 0x98],
        ] as [[UInt8]])
    func refusesInvalidUTF8(_ sequence: [UInt8]) {
        let quoted: [UInt8] = [0x22] + sequence + [0x22]
        expectRefused(containing: "byte 1", "UTF-8") { _ = try parse(bytes: quoted) }
        expectRefused(containing: "UTF-8") { _ = try parse(bytes: Array(quoted.dropLast())) }
    }

    /// The reader's idea of UTF-8 is the standard library's, for every scalar.
    @Test func acceptsEveryScalar() throws {
        for start in stride(from: UInt32(0x20), through: 0x10ffff, by: 4096) {
            let scalars = (start..<start + 4096).compactMap { Unicode.Scalar($0) }.filter {
                $0 != "\"" && $0 != "\\"
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            #expect(try parse("\"\(String(text))\"").bytes == ByteString(String(text)))
        }
    }

    @Test func refusesEveryControlCharacter() {
        for byte in UInt8(0)..<0x20 {
            expectRefused(containing: "control") { _ = try parse(bytes: [0x22, 0x41, byte, 0x22]) }
        }
    }

    /// Every position of a special byte within the eight that are looked at together.
    @Test func findsSpecialBytesAnywhere() throws {
        for length in 0..<40 {
            for place in 0...length {
                let head = String(repeating: "x", count: place)
                let tail = String(repeating: "y", count: length - place)
                #expect(try parse("\"\(head)\\n\(tail)\"").string == head + "\n" + tail)
                #expect(try parse("\"\(head)é\(tail)\"").string == head + "é" + tail)
                expectRefused(containing: "byte \(place + 1) ") { _ = try parse("\"\(head)\u{1}\(tail)\"") }
            }
        }
    }

    @Test func depthIsBounded() throws {
        let deepest = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        _ = try parse(deepest)
        expectRefused(containing: "byte 128", "128 levels") { _ = try parse("[\(deepest)]") }
        expectRefused(containing: "128 levels") { _ = try parse(String(repeating: "[", count: 1_000_000)) }
        expectRefused(containing: "128 levels") {
            _ = try parse(String(repeating: "{\"a\":", count: 200_000))
        }
    }

    @Test func numberOfValuesIsBounded() throws {
        for text in ["[1,2,3]", #"{"a":1}"#, "[[[true]]]", "[{},null,\"\"]"] {
            let count = text == #"{"a":1}"# ? 3 : 4
            let bytes = Array(text.utf8)
            _ = try JSONDocument(parsing: bytes, source: "text", maximumEntries: count)
            expectRefused(containing: "text: byte", "than \(count - 1)") {
                _ = try JSONDocument(parsing: bytes, source: "text", maximumEntries: count - 1)
            }
        }
    }

    @Test func truncatedAnywhereIsRefused() throws {
        let text = Array(#"{"a":[1,-2.5e3,"\u00e9\ud83d\ude00é"],"b":{"c":null,"d":true}}"#.utf8)
        _ = try parse(bytes: text)
        for length in 0..<text.count {
            expectRefused(containing: "byte ") { _ = try parse(bytes: Array(text.prefix(length))) }
        }
    }

    @Test func errorNamesSourceOffsetAndLine() {
        expectRefused(containing: "text: byte 9 (line 3): 'x'; expected a JSON value") {
            _ = try parse("{\n\"a\":\n  x}")
        }
    }

    @Test func loadReportsFiles() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("a.json", "[1]")
        #expect(try JSONDocument.load(path: path, limit: 3).root.elements?.count == 1)
        expectRefused(containing: path, "3 bytes", "at most 2") {
            _ = try JSONDocument.load(path: path, limit: 2)
        }
        expectRefused(.noSuchFile, containing: "b.json") {
            _ = try JSONDocument.load(path: directory.file("b.json"), limit: 2)
        }
        expectRefused(containing: "empty text") {
            _ = try JSONDocument.load(path: try directory.write("empty.json", ""), limit: 2)
        }
    }
}
