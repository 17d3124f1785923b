import GLMFiles
import GLMText
import Testing

struct PythonTextTests {
    @Test func jsonIsWrittenAsPythonWritesIt() throws {
        let goldens = try #require(Fixture.json("python_goldens.json")["texts"]).list()
        #expect(goldens.count > 1000)
        for golden in goldens {
            let pair = try golden.list().map { try #require($0.string) }
            let text = PythonJSON.text(try Fixture.parse(pair[0]).root)
            #expect(text.utf8.elementsEqual(pair[1].utf8), "\(pair[0]) gave \(text), not \(pair[1])")
        }
    }

    /// The control: Swift's own spelling of numbers is another.
    @Test func swiftsNumbersAreSpeltDifferently() {
        #expect(PythonJSON.representation(9.5e15) == "9500000000000000.0")
        #expect("\(9.5e15)" == "9.5e+15")
    }

    @Test func splittingAndTrimmingGoByScalars() {
        #expect(PythonText.split("a</t>\u{301}b</t>", "</t>") == ["a", "\u{301}b", ""])
        #expect(PythonText.split("", "x") == [""])
        #expect(PythonText.split("aaa", "aa") == ["", "a"])
        #expect(PythonText.withoutTrailingNewlines("a\r\n\n") == "a\r")
        #expect(PythonText.withoutLeadingNewlines("\n\n\r\na") == "\r\na")
        #expect(PythonText.stripped("\u{1c}\u{3000}a \u{200b}") == "a \u{200b}")
        #expect(PythonText.stripped(" \n") == "")
    }
}
