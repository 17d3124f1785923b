import GLMFiles
import GLMText
import Testing

struct PreTokenizerTests {
    private let preTokenizer = PreTokenizer()

    private func pieces(_ text: String) -> [String] {
        let bytes = Array(text.utf8)
        var pieces: [String] = []
        var start = 0
        while start < bytes.count {
            let end = preTokenizer.end(ofTokenAt: start, in: bytes.span)
            pieces.append(String(decoding: bytes[start..<end], as: UTF8.self))
            start = end
        }
        return pieces
    }

    @Test func goldenStringsAreCutWhereTokenizersCuts() throws {
        for golden in try Fixture.json("tokenizer_goldens.json")["cases"].map({ try $0.list() }) ?? [] {
            let text = try golden.text("text")
            let lengths = try #require(golden["pieces"]).list().map { try #require($0.integer) }
            #expect(pieces(text).map(\.utf8.count) == lengths, "\(text.debugDescription)")
        }
    }

    /// What each alternative of the pattern does, and its neighbour that it must not swallow.
    @Test(arguments: [
        ("it's", ["it", "'s"]), ("it'S'LL", ["it", "'S", "'LL"]), ("'\u{17f}x", ["'\u{17f}", "x"]),
        ("'\u{212a}x", ["'\u{212a}x"]), ("'l l", ["'l", " l"]), ("'LLama", ["'LL", "ama"]),
        (" the\tend", [" the", "\tend"]), ("a  b", ["a", " ", " b"]), ("\u{a0}b", ["\u{a0}b"]),
        ("\nb", ["\n", "b"]), ("1234567", ["123", "456", "7"]), ("²³٣4", ["²³٣", "4"]),
        (" !?\n\nb", [" !?\n\n", "b"]), ("\u{a0}!", ["\u{a0}", "!"]), ("  \n \n  b", ["  \n \n", " ", " b"]),
        ("  !", [" ", " !"]), ("   ", ["   "]), ("a\u{301}b", ["a", "\u{301}b"]), ("  1", [" ", " ", "1"]),
    ])
    func alternatives(_ text: String, _ expected: [String]) {
        #expect(pieces(text) == expected)
    }

    @Test func piecesTileRandomText() {
        var random = TestRandom(state: 3)
        let alphabet = Array(" \n\r\t'sSlLreE1²٣aé中!_\u{301}\u{a0}\u{17f}👍".unicodeScalars)
        for _ in 0..<300 {
            var text = ""
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                text.unicodeScalars.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
            }
            #expect(pieces(text).joined().utf8.elementsEqual(text.utf8), "\(text.debugDescription)")
        }
    }
}
