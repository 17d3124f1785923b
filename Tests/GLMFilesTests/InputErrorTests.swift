import GLMFiles
import Testing

/// The one line a user reads when something is wrong.
@Suite struct InputErrorTests {
    @Test func partsStandInOrderOnOneLine() {
        let error = InputError(
            .badInput, file: "config.json", subject: "hidden_size", found: "-1", expected: "1 to 65536",
            remedy: "correct the field")
        #expect(error.description == "config.json: hidden_size: -1; expected 1 to 65536; correct the field")
        #expect(InputError(.usage, found: "nothing to do").description == "nothing to do")
    }

    @Test func controlCharactersNeverReachTheTerminal() {
        let error = InputError(.badInput, file: "a\u{1b}[31m", subject: "b\nc", found: "d\u{7f}\u{9b}e")
        #expect(error.description == "a\\u{1b}[31m: b\\u{a}c: d\\u{7f}\\u{9b}e")
    }

    /// A name as long as a page must hide neither its own byte offset nor what follows it.
    @Test(arguments: [801, 2_500, 100_000])
    func longPartLosesItsMiddleOnly(letters: Int) {
        let error = InputError(
            .badInput, file: "tokenizer.json",
            subject: "vocab \"" + String(repeating: "x", count: letters) + "\" (byte 7)",
            found: "id 9", expected: "0 to 4", remedy: "export it again")
        let line = error.description
        #expect(line.hasPrefix("tokenizer.json: vocab \"xxx"))
        #expect(line.hasSuffix("xxx\" (byte 7): id 9; expected 0 to 4; export it again"))
        #expect(line.contains("x … x"))
        #expect(line.unicodeScalars.count < 900)
    }

    /// Every part has its own room, so the longest line is bounded and no part is missing from it.
    @Test func everyPartKeepsItsEnds() {
        func long(_ name: String) -> String { "<" + name + String(repeating: "·", count: 5_000) + name + ">" }
        let line = InputError(
            .badInput, file: long("file"), subject: long("subject"), found: long("found"),
            expected: long("expected"),
            remedy: long("remedy")
        ).description
        for name in ["file", "subject", "found", "expected", "remedy"] {
            #expect(line.contains("<" + name))
            #expect(line.contains(name + ">"))
        }
        #expect(line.unicodeScalars.count < 5 * 850)
    }

    /// Up to its limit a part is printed as it is.
    @Test func partOfTheLongestLengthIsWhole() {
        let text = String(repeating: "y", count: 800)
        #expect(InputError(.badInput, found: text).description == text)
    }
}
