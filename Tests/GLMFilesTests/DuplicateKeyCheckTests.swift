import GLMFiles
import GLMTestSupport
import Testing

private func parse(_ text: String) throws -> JSONValue {
    try JSONDocument(parsing: Array(text.utf8), source: "text").root
}

struct DuplicateKeyCheckTests {
    private func object(_ keys: [String]) -> String {
        "{" + keys.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
    }

    /// Below and above the size at which the pairwise comparison gives way to the table.
    @Test(arguments: [2, 7, 8, 9, 10, 16, 17, 100, 5000])
    func findsTheOneRepeatedKey(_ count: Int) throws {
        let keys = (0..<count).map { "key.\($0)" }
        #expect(try parse(object(keys)).count == count)
        for (earlier, later) in [(0, count - 1), (count / 2, count - 1), (0, 1)] where earlier < later {
            var repeated = keys
            repeated[later] = keys[earlier]
            expectRefused(containing: "\"key.\(earlier)\"", "second time") { _ = try parse(object(repeated)) }
        }
    }

    /// Every length, so that each way the hash reads its words is taken.
    @Test func tellsKeysOfAllLengthsApart() throws {
        let keys = (0..<70).map { String(repeating: "k", count: $0) }
        #expect(try parse(object(keys)).count == 70)
        for key in keys {
            expectRefused(containing: "second time") { _ = try parse(object(keys + [key])) }
        }
    }

    @Test func comparesAfterUnescaping() throws {
        let many = (0..<20).map { "k\($0)" }
        expectRefused(containing: "second time") { _ = try parse(object(many + ["\\u006b7"])) }
        expectRefused(containing: "second time") { _ = try parse(object(["\\u006b7"] + many)) }
        #expect(try parse(object(many + ["\\\\u006b7"])).count == 21)
    }

    /// One scalar or two: the same text to `String`, two keys to us.
    @Test func canonicallyEqualKeysAreDifferent() throws {
        let root = try parse("{\"\u{e9}\":1,\"e\u{301}\":2}")
        #expect(root["\u{e9}"]?.integer == 1)
        #expect(root["e\u{301}"]?.integer == 2)
    }

    @Test func objectsAreSeparate() throws {
        _ = try parse(#"{"a":{"a":{"a":[{"a":1},{"a":2}]}}}"#)
        expectRefused(containing: "byte 14") { _ = try parse(#"[{"a":{"b":1,"b":2}}]"#) }
    }
}
