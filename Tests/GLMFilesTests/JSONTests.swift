import GLMFiles
import Testing

struct JSONTests {
    private let sample: JSON = [
        "name": "é\"\\\n\u{1}/", "list": [1, .number("1.50"), true, .null], "empty": .object([]), "none": [],
    ]

    @Test func styles() {
        let compact = #"{"name":"é\"\\\n\u0001/","list":[1,1.50,true,null],"empty":{},"none":[]}"#
        let spaced = #"{"name": "é\"\\\n\u0001/", "list": [1, 1.50, true, null], "empty": {}, "none": []}"#
        #expect(sample.text() == compact)
        #expect(sample.text(.spaced) == spaced)
        let indented: JSON = ["a": [1, 2], "b": .object([])]
        #expect(indented.text(.indented) == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}")
    }

    @Test(arguments: [JSON.Style.compact, .spaced, .indented])
    func readsBackEqual(_ style: JSON.Style) throws {
        let document = try JSONDocument(parsing: sample.bytes(style), source: "text")
        #expect(JSON(document.root) == sample)
    }

    @Test func equalityIsByBytes() {
        #expect(JSON.string("\u{e9}") != JSON.string("e\u{301}"))
        #expect(JSON.string("\u{e9}") == JSON.string("\u{e9}"))
        let one: JSON = ["\u{e9}": 1]
        let other: JSON = ["e\u{301}": 1]
        #expect(one != other)
    }

    @Test func numbers() {
        #expect(JSON(0.1).text() == "0.1")
        #expect(JSON(Float(0.1)).text() == "0.1")
        #expect(JSON(Double.nan) == .null)
        #expect(JSON(1e300).text() == "1e+300")
    }

    @Test func keepsLiteralsThatAreNotIntegers() throws {
        let text = "[-0,1.0,1e5,123456789012345678901234]"
        #expect(JSON(try JSONDocument(parsing: Array(text.utf8), source: "text").root).text() == text)
    }
}
