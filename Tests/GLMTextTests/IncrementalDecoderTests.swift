import GLMText
import Testing

struct IncrementalDecoderTests {
    /// One token a byte, so that every scalar beyond ASCII is cut.
    private func byteIDs(_ bytes: [UInt8], _ tokenizer: Tokenizer) throws -> [Int32] {
        try bytes.map { byte in
            let id = (Int32(0)..<Int32(tokenizer.vocabularySize)).first { tokenizer.tokenBytes($0) == [byte] }
            return try #require(id)
        }
    }

    @Test func piecesAreWholeScalarsAndTogetherTheText() throws {
        let tokenizer = try Fixture.tokenizer()
        let text = "a é 中 👩‍👩‍👧 \u{10ffff} e\u{301}"
        var decoder = IncrementalDecoder(tokenizer, skipSpecial: false)
        var pieces: [String] = []
        for id in try byteIDs(Array(text.utf8), tokenizer) {
            pieces.append(decoder.append(id))
        }
        pieces.append(decoder.finish())
        #expect(pieces.joined().utf8.elementsEqual(text.utf8))
        #expect(!pieces.contains { $0.unicodeScalars.contains("\u{fffd}") })
        #expect(pieces.contains(""), "the control: some tokens gave nothing yet")
    }

    /// Python: `bytes.decode(errors="replace")`, one replacement for each maximal part.
    @Test(
        arguments: [
            ([0x61, 0xff, 0x62], "a\u{fffd}b"), ([0xe4, 0xb8], "\u{fffd}"),
            ([0xe4, 0xb8, 0x41], "\u{fffd}A"),
            ([0xf0, 0x9f, 0x91, 0xf0, 0x9f, 0x91, 0x8d], "\u{fffd}👍"),
            ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"),
            ([0xc0, 0x80], "\u{fffd}\u{fffd}"), ([0xf4, 0x90, 0x80], "\u{fffd}\u{fffd}\u{fffd}"),
            ([0xe2, 0x82, 0xe2, 0x82, 0xac], "\u{fffd}€"),
        ] as [([UInt8], String)])
    func invalidBytesAreReplacedAsPythonDoes(_ bytes: [UInt8], _ expected: String) throws {
        let tokenizer = try Fixture.tokenizer()
        // Bytes that UTF-8 cannot hold have tokens of their own here: the vocabulary has the whole alphabet.
        let ids = try byteIDs(bytes, tokenizer)
        #expect(tokenizer.decode(ids, skipSpecial: false) == expected)
        var decoder = IncrementalDecoder(tokenizer, skipSpecial: false)
        let pieces = ids.map { decoder.append($0) }
        #expect(pieces.joined() + decoder.finish() == expected)
    }

    @Test func specialTokensAreLeftOutAndMarkupStays() throws {
        let tokenizer = try Fixture.tokenizer()
        let ids = try tokenizer.encode("a<think>b</think><|user|>c", specialTokens: .parse)
        #expect(tokenizer.decode(ids, skipSpecial: true) == "a<think>b</think>c")
        #expect(tokenizer.decode(ids, skipSpecial: false) == "a<think>b</think><|user|>c")
    }

    @Test func finishStartsOver() throws {
        let tokenizer = try Fixture.tokenizer()
        var decoder = IncrementalDecoder(tokenizer, skipSpecial: false)
        let ids = try byteIDs([0xe4, 0x41], tokenizer)
        #expect(decoder.append(ids[0]) == "")
        #expect(decoder.finish() == "\u{fffd}")
        #expect(decoder.append(ids[1]) == "A")
        #expect(decoder.finish() == "")
    }
}
