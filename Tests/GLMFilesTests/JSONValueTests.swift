import GLMFiles
import Testing

private func parse(_ text: String) throws -> JSONValue {
    try JSONDocument(parsing: Array(text.utf8), source: "text").root
}

struct JSONValueTests {
    @Test(arguments: [
        ("0", 0), ("-0", 0), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
        ("-17", -17),
    ])
    func integersAreExact(_ literal: String, _ value: Int) throws {
        #expect(try parse(literal).integer == value)
    }

    @Test(arguments: [
        "9223372036854775808", "-9223372036854775809", "1.0", "1e2", "99999999999999999999999", "\"1\"",
        "true",
    ])
    func notIntegers(_ literal: String) throws {
        #expect(try parse(literal).integer == nil)
    }

    @Test func doubles() throws {
        #expect(try parse("0.1").double == 0.1)
        #expect(try parse("-1.5E-3").double == -1.5e-3)
        #expect(try parse("1e999").double == nil)
        #expect(try parse("1e999").numberLiteral == "1e999")
        #expect(try parse("12").double == 12)
        #expect(try parse("\"12\"").double == nil)
    }

    @Test func stringsAreUnescaped() throws {
        let expected = "\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}"
        #expect(try parse(#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\uDE00""#).string == expected)
        #expect(try parse(#""\u0000""#).bytes == ByteString(bytes: [0]))
        #expect(try parse("\"plain\"").bytes == "plain")
    }

    @Test func membersKeepTheirOrder() throws {
        let root = try parse(#"{"b":[1,{"x":2}],"a":null,"\u0063":{"y":[]}}"#)
        #expect(root.members?.map(\.key) == ["b", "a", "c"])
        #expect(root.count == 3)
        #expect(root["b"]?.elements?[1]["x"]?.integer == 2)
        #expect(root["a"]?.isNull == true)
        #expect(root["c"]?["y"]?.elements?.isEmpty == true)
        #expect(root["d"] == nil)
        #expect(root["b"]?.offset == 5)
        #expect(root["b"]?.elements?[1].kind == .object)
    }

    @Test func wrongKindIsNil() throws {
        let root = try parse("[true]")
        #expect(root.members == nil && root["a"] == nil && root.string == nil && root.bool == nil)
        #expect(root.elements?[0].bool == true)
        #expect(root.elements?[0].elements == nil)
        #expect(root.elements?[0].count == nil)
    }

    @Test func valueOutlivesItsDocument() throws {
        let value = try parse(#"{"a":"\u0062"}"#)["a"]
        #expect(value?.string == "b")
        #expect(value?.source == "text")
        #expect(value?.offset == 5)
    }

    @Test func walkingSeesWhatTheListsHold() throws {
        let root = try parse(#"{"a":[1,[2,3],{"b":4},"x"],"\u0063":{"y":[]}}"#)
        var keys: [UInt8] = []
        var kinds: [JSONValue.Kind] = []
        root.forEachMember { key, value in
            #expect(key.appendBytes(to: &keys))
            kinds.append(value.kind)
        }
        #expect(keys == Array("ac".utf8))
        #expect(kinds == [.array, .object])
        var elements: [JSONValue.Kind] = []
        root["a"]?.forEachElement { elements.append($0.kind) }
        #expect(elements == [.number, .array, .object, .string])
        #expect(!root.appendBytes(to: &keys))
        root.forEachElement { _ in Issue.record("an object has no elements") }
        root["a"]?.forEachMember { _, _ in Issue.record("an array has no members") }
        #expect(keys == Array("ac".utf8))
    }
}
