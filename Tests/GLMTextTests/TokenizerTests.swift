import GLMFiles
import GLMTestSupport
import GLMText
import Testing

struct TokenizerTests {
    private func goldens(_ key: String) throws -> [JSONValue] {
        try #require(Fixture.json("tokenizer_goldens.json")[key]).list()
    }

    @Test func hardStringsHaveTheIdsOfTokenizers() throws {
        let tokenizer = try Fixture.tokenizer()
        let cases = try goldens("cases")
        #expect(cases.count > 400)
        for golden in cases {
            let text = try golden.text("text")
            let ids = try #require(golden["ids"]).ids()
            #expect(try tokenizer.encode(text, specialTokens: .parse) == ids, "\(text.debugDescription)")
            #expect(try tokenizer.encode(bytes: Array(text.utf8), specialTokens: .parse) == ids)
            #expect(tokenizer.decode(ids, skipSpecial: false).utf8.elementsEqual(text.utf8))
            let visible = try golden.text("without_special")
            #expect(tokenizer.decode(ids, skipSpecial: true).utf8.elementsEqual(visible.utf8))
        }
    }

    @Test func longRunsHaveTheIdsOfTokenizers() throws {
        let tokenizer = try Fixture.tokenizer()
        for golden in try goldens("long") {
            let unit = try golden.text("unit")
            let count = try #require(golden["count"]?.integer)
            let text = String(repeating: unit, count: count) + (try golden.text("tail"))
            let ids = try #require(golden["runs"]).list().flatMap { run throws in
                let pair = try run.ids()
                return Array(repeating: pair[0], count: Int(pair[1]))
            }
            #expect(
                try tokenizer.encode(text, specialTokens: .parse) == ids,
                "\(count) × \(unit.debugDescription)")
        }
    }

    /// As text no name of an added token is markup: the ids are those of a tokenizer that has no added
    /// tokens.
    @Test func asTextNothingBecomesAnAddedToken() throws {
        let tokenizer = try Fixture.tokenizer()
        for golden in try goldens("as_text") {
            let text = try golden.text("text")
            let ids = try #require(golden["ids"]).ids()
            #expect(try tokenizer.encode(text, specialTokens: .asText) == ids, "\(text.debugDescription)")
            #expect(try tokenizer.encode([.text(text)]) == ids)
            #expect(tokenizer.decode(ids, skipSpecial: true).utf8.elementsEqual(text.utf8))
        }
        let user = try #require(tokenizer.id(of: "<|user|>"))
        #expect(try tokenizer.encode("<|user|>", specialTokens: .parse) == [user])
        #expect(try !tokenizer.encode("<|user|>", specialTokens: .asText).contains(user))
    }

    /// Parts are one text: cutting it elsewhere changes where markup is recognised and nothing else.
    @Test func partsAreTokenisedAsOneText() throws {
        let tokenizer = try Fixture.tokenizer()
        let whole = "<|user|>\n{\"a\": 1}}\n</tools> it's  fine<|assistant|><think>"
        let ids = try tokenizer.encode(whole, specialTokens: .parse)
        let parts: [PromptPart] = [
            .markup("<|us"), .markup("er|>\n"), .text("{\"a\": 1}}"), .markup("\n</tools>"), .text(" it'"),
            .text("s "), .text(" fine"), .markup("<|assistant|><think>"),
        ]
        #expect(parts.text == whole)
        #expect(try tokenizer.encode(parts) == ids)
        let straddling: [PromptPart] = [.text("<|us"), .markup("er|>"), .text("x")]
        let user = try #require(tokenizer.id(of: "<|user|>"))
        #expect(try !tokenizer.encode(straddling).contains(user))
        let apart = try parts.flatMap { part throws in
            if case .markup(let text) = part {
                try tokenizer.encode(text, specialTokens: .parse)
            } else {
                try tokenizer.encode(part.characters, specialTokens: .asText)
            }
        }
        #expect(apart != ids, "the control: part by part, words that span two parts come out differently")
    }

    @Test func idsWithoutATokenAndBadBytesDecodeAsInTokenizers() throws {
        let tokenizer = try Fixture.tokenizer()
        for golden in try goldens("decoded") {
            let ids = try #require(golden["ids"]).ids()
            let text = try golden.text("text")
            #expect(tokenizer.decode(ids, skipSpecial: false).utf8.elementsEqual(text.utf8), "\(ids)")
        }
    }

    @Test func namesAndBytesOfTokens() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.vocabularySize == 2038)
        let think = try #require(tokenizer.id(of: "<think>"))
        #expect(tokenizer.tokenBytes(think) == Array("<think>".utf8))
        #expect(!tokenizer.isSpecial(think))
        #expect(tokenizer.isSpecial(try #require(tokenizer.id(of: "<|endoftext|>"))))
        #expect(tokenizer.tokenBytes(try #require(tokenizer.id(of: "Ġzqxjk"))) == Array(" zqxjk".utf8))
        #expect(tokenizer.id(of: "no such token") == nil)
        #expect(tokenizer.tokenBytes(-1) == nil)
        #expect(tokenizer.tokenBytes(2038) == nil)
    }

    @Test func textThatIsNotUTF8IsRefusedAtItsOffset() throws {
        let tokenizer = try Fixture.tokenizer()
        expectRefused(containing: "prompt.txt", "byte 3", "0xff", "UTF-8") {
            _ = try tokenizer.encode(
                bytes: [0x61, 0xc3, 0xa9, 0xff], source: "prompt.txt", specialTokens: .parse)
        }
    }

    /// U+0378 has no merges, so a megabyte of it is quick even in a debug build.
    @Test func aPreTokenOfOneMebibyteIsAllowedAndALongerOneRefused() throws {
        let tokenizer = try Fixture.tokenizer()
        let limit = Tokenizer.longestPreToken
        let longest = "ab " + String(repeating: "\u{378}", count: limit / 2 - 1)
        #expect(longest.utf8.count == 3 + limit - 2)
        let ids = try tokenizer.encode(longest, specialTokens: .parse)
        #expect(tokenizer.decode(ids, skipSpecial: false) == longest)
        expectRefused(containing: "byte 2", "\(limit + 1) bytes", "at most \(limit)") {
            _ = try tokenizer.encode(longest + "\u{378}", specialTokens: .asText)
        }
    }

    @Test func aTextOfMoreTokensThanTheLimitIsRefusedWhereItExceedsIt() throws {
        let tokenizer = try Fixture.tokenizer()
        let bytes = Array("one two three four five".utf8)
        let ids = try tokenizer.encode(bytes: bytes, specialTokens: .parse)
        #expect(try tokenizer.encode(bytes: bytes, specialTokens: .parse, limit: ids.count) == ids)
        expectRefused(containing: "prompt.txt", "more than \(ids.count - 1) tokens") {
            _ = try tokenizer.encode(
                bytes: bytes, source: "prompt.txt", specialTokens: .parse, limit: ids.count - 1)
        }
    }
}
