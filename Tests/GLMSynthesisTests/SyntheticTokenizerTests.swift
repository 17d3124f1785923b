import GLMFiles
import GLMSynthesis
import GLMTestSupport
import GLMText
import Testing

@Suite struct SyntheticTokenizerTests {
    /// The tokenizer as the engine reads it back.
    static func tokenizer(_ plan: TokenPlan) throws -> Tokenizer {
        let folder = try TemporaryDirectory()
        let path = try folder.write("tokenizer.json", SyntheticTokenizer(plan).document.bytes())
        return try Tokenizer.load(path: path)
    }

    @Test(arguments: [292, 316, 512, 2048, 154_880]) func everyTextSurvivesTheRoundTrip(_ rows: Int) throws {
        let plan = try #require(TokenPlan(vocabularySize: rows))
        let tokenizer = try Self.tokenizer(plan)
        #expect(tokenizer.vocabularySize == plan.usedCount && plan.usedCount <= rows)
        for text in [
            "", "Hello there, I'm fine.\r\n\t  12345 x", "日本語 🙂 éß", String(decoding: 0...127, as: UTF8.self),
        ] {
            let ids = try tokenizer.encode(text, specialTokens: .asText)
            #expect(tokenizer.decode(ids, skipSpecial: false) == text)
            #expect(ids.allSatisfy { Int($0) < plan.firstAdded })
        }
    }

    @Test func releasedVocabularyHasTheReleasedIds() throws {
        let plan = try #require(TokenPlan(vocabularySize: 154_880))
        let tokenizer = try Self.tokenizer(plan)
        #expect(plan.endOfSequence == [154_820, 154_827, 154_829] && plan.padding == 154_820)
        for (token, id) in [
            ("<|endoftext|>", 154_820), ("[gMASK]", 154_822), ("<sop>", 154_824), ("<|user|>", 154_827),
            ("<|assistant|>", 154_828), ("<|code_suffix|>", 154_840), ("</think>", 154_842),
            ("</arg_value>", 154_850),
            ("<|video|>", 154_855),
        ] {
            #expect(tokenizer.id(of: token) == Int32(id), "\(token)")
            #expect(tokenizer.isSpecial(Int32(id)) == (id <= 154_837), "\(token)")
        }
        let ids = try tokenizer.encode("[gMASK]<sop><|user|>Hi<|assistant|><think>", specialTokens: .parse)
        #expect(ids.count == 7 && ids.filter { $0 >= 154_820 }.count == 5)
    }

    @Test func pairsShortenText() throws {
        let short = try Self.tokenizer(try #require(TokenPlan(vocabularySize: 2048)))
        let bytes = try Self.tokenizer(try #require(TokenPlan(vocabularySize: 292)))
        let text = "the weather in the north is fine"
        let pairs = try short.encode(text, specialTokens: .asText).count
        #expect(pairs < text.utf8.count * 2 / 3)
        #expect(try bytes.encode(text, specialTokens: .asText).count == text.utf8.count)
    }

    @Test func vocabulariesTooSmallHaveNoPlan() {
        #expect(TokenPlan(vocabularySize: 291) == nil)
        #expect(TokenPlan(vocabularySize: 292)?.mergeCount == 0)
        #expect(TokenPlan(vocabularySize: 317)?.mergeCount == 1)
    }
}
