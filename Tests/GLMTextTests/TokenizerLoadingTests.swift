import GLMFiles
import GLMTestSupport
import GLMText
import Testing

struct TokenizerLoadingTests {
    /// The committed file with one place changed.
    private func changed(_ old: String, _ new: String) throws -> String {
        let text = try Fixture.text("tokenizer.json")
        try #require(text.contains(old), "the fixture has no \(old)")
        return text.substituting(old, new, firstOnly: true)
    }

    private func load(_ text: String) throws -> Tokenizer {
        try Tokenizer(Fixture.parse(text))
    }

    @Test func theFixtureLoadsAndSoDoOtherSpellingsOfIt() throws {
        let ids = try load(Fixture.text("tokenizer.json")).encode("the return", specialTokens: .parse)
        // Merges as strings, as older files have them.
        let spelled = try load(mergesAsStrings(Fixture.json("tokenizer.json")).text())
        #expect(try spelled.encode("the return", specialTokens: .parse) == ids)
        _ = try load(changed("\"dropout\":null", "\"dropout\":0.0"))
        _ = try load(changed("\"post_processor\":null", "\"post_processor\":{\"type\":\"ByteLevel\"}"))
        let identity = #"{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}]}"#
        _ = try load(changed("\"post_processor\":null", "\"post_processor\":\(identity)"))
    }

    /// The one line that `text` is refused with.
    private func refusal(of text: String) -> String {
        do {
            _ = try load(text)
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    private func mergesAsStrings(_ root: JSONValue) throws -> JSON {
        func replacing(_ key: String, in value: JSON, by change: (JSON) throws -> JSON) rethrows -> JSON {
            guard case .object(let members) = value else { return value }
            return .object(try members.map { $0.key == key ? .init(key, try change($0.value)) : $0 })
        }
        return try replacing("model", in: JSON(root)) { model throws in
            try replacing("merges", in: model) { _ throws in
                let merges = try #require(root["model"]?["merges"]).list()
                return .array(
                    try merges.map { .string(try $0.list().compactMap(\.string).joined(separator: " ")) })
            }
        }
    }

    /// What each component must be; the line names the field, what was found and what was expected.
    @Test(
        arguments: [
            (
                "\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}",
                ["normalizer (byte", "\"NFC\"", "null"]
            ),
            ("\"truncation\":null", "\"truncation\":{\"max_length\":5}", ["truncation (byte", "null"]),
            ("\"padding\":null", "\"padding\":{}", ["padding (byte"]),
            (
                "\"type\":\"Sequence\"", "\"type\":\"Metaspace\"",
                ["pre_tokenizer.type", "\"Metaspace\"", "\"Sequence\""]
            ),
            (
                "\\\\p{N}{1,3}", "\\\\p{N}",
                ["pre_tokenizer.pretokenizers[0].pattern.Regex", "expected (?i:'s", "GLM"]
            ),
            ("{\"Regex\":", "{\"String\":", ["pretokenizers[0].pattern", "no \"Regex\""]),
            ("\"Isolated\"", "\"Removed\"", ["behavior", "\"Removed\"", "\"Isolated\""]),
            ("\"invert\":false", "\"invert\":true", ["invert", "true; expected false"]),
            (
                "\"add_prefix_space\":false", "\"add_prefix_space\":true",
                ["pretokenizers[1].add_prefix_space"]
            ),
            ("\"use_regex\":false", "\"use_regex\":true", ["pretokenizers[1].use_regex"]),
            (
                "\"post_processor\":null",
                "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<sop>\"}}]}",
                ["post_processor", "a template that adds tokens"]
            ),
            (
                "\"post_processor\":null", "\"post_processor\":{\"type\":\"RobertaProcessing\"}",
                ["\"RobertaProcessing\""]
            ),
            (
                "\"decoder\":{\"type\":\"ByteLevel\"", "\"decoder\":{\"type\":\"WordPiece\"",
                ["decoder.type", "WordPiece"]
            ),
            ("\"type\":\"BPE\"", "\"type\":\"Unigram\"", ["model.type", "\"Unigram\"", "\"BPE\""]),
            ("\"dropout\":null", "\"dropout\":0.1", ["model.dropout", "0.1"]),
            ("\"unk_token\":null", "\"unk_token\":\"<unk>\"", ["model.unk_token", "<unk>"]),
            ("\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"", ["\"##\""]),
            ("\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"</w>\"", ["\"</w>\""]),
            ("\"byte_fallback\":false", "\"byte_fallback\":true", ["model.byte_fallback"]),
            (
                "\"ignore_merges\":true", "\"ignore_merges\":1",
                ["model.ignore_merges", "the number 1", "true or false"]
            ),
            ("\"ignore_merges\":true", "\"ignore_mergers\":true", ["unknown key \"ignore_mergers\""]),
            ("\"version\":\"1.0\"", "\"versions\":\"1.0\"", ["unknown key \"versions\""]),
            ("\"lstrip\":false", "\"lstrip\":true", ["added_tokens[0].lstrip", "not supported"]),
            ("\"rstrip\":false", "\"rstrip\":true", ["added_tokens[0].rstrip"]),
            ("\"single_word\":false", "\"single_word\":true", ["added_tokens[0].single_word"]),
        ] as [(String, String, [String])])
    func unsupportedComponentsAreRefusedByName(_ old: String, _ new: String, _ parts: [String]) throws {
        let line = try refusal(of: changed(old, new))
        for part in parts + ["test: ", "byte "] {
            #expect(line.contains(part))
        }
    }

    /// Contradictions inside vocabulary, merges and added tokens.
    @Test(
        arguments: [
            (
                "{\"!\":0,\"\\\"\":1", "{\"!\":1,\"\\\"\":1",
                ["model.vocab.\"", "the id 1, which another token has"]
            ),
            ("{\"!\":0,", "{\"!\":-1,", ["model.vocab.!", "-1", "0 to"]),
            ("{\"!\":0,", "{\"!\":0.5,", ["model.vocab.!", "0.5"]),
            ("{\"!\":0,", "{\"!\":4194304,", ["model.vocab.!", "4194304"]),
            ("{\"!\":0,", "{\"中\":0,", ["no token for the byte 0x21", "\"!\""]),
            ("{\"!\":0,", "{\"!\":0,\"!\":7,", ["second time"]),
            ("\"merges\":[", "\"merges\":[[\"zq\",\"xjk\"],", ["model.merges[0]", "\"zq\""]),
            ("\"merges\":[", "\"merges\":[[\"z\",\"!\"],", ["model.merges[0]", "no \"z!\""]),
            ("\"merges\":[", "\"merges\":[[\"a\"],", ["model.merges[0]", "an array of two strings"]),
            ("\"merges\":[", "\"merges\":[[\"a\",1],", ["model.merges[0]", "an array of two strings"]),
            ("\"merges\":[", "\"merges\":[\"a\",", ["model.merges[0]", "around one space"]),
            ("\"merges\":[", "\"merges\":[\"a b c\",", ["model.merges[0]", "around one space"]),
            ("\"merges\":[", "\"merges\":[\"Ġ t\",", ["model.merges[1]", "around one space"]),
            ("\"id\":2002,", "\"id\":2001,", ["added_tokens[0]", "2001", "2002"]),
            ("\"id\":2003,", "\"id\":2999,", ["added_tokens[1]", "2999", "2003"]),
            ("\"content\":\"[MASK]\"", "\"content\":\"\"", ["added_tokens[1].content", "0 bytes"]),
            ("\"content\":\"[MASK]\"", "\"content\":\"<|endoftext|>\"", ["added_tokens[1]", "again"]),
            ("\"content\":\"[MASK]\"", "\"contents\":\"[MASK]\"", ["unknown key \"contents\""]),
            ("\"special\":true", "\"special\":\"yes\"", ["added_tokens[0].special", "\"yes\""]),
            ("\"vocab\":{", "\"vocab\":[{", ["byte"]),
        ] as [(String, String, [String])])
    func contradictionsAreRefused(_ old: String, _ new: String, _ parts: [String]) throws {
        let line = try refusal(of: changed(old, new))
        for part in parts {
            #expect(line.contains(part))
        }
    }

    /// A merge that made an added token would let text become one.
    @Test func aMergeThatMakesAnAddedTokenIsRefused() throws {
        let text = try Fixture.text("tokenizer.json")
            .substituting("\"zqxjk\":2000", "\"sop>\":2000")
            .substituting("\"Ġzqxjk\":2001", "\"<sop>\":2001")
            .substituting("\"id\":2006,", "\"id\":2001,")
        let shifted = moved(2007...2037, in: text)
        _ = try load(shifted)
        let merged = shifted.substituting("\"merges\":[", "\"merges\":[[\"<\",\"sop>\"],")
        expectRefused(containing: "model.merges[0]", "\"<sop>\"", "and not added tokens") {
            _ = try load(merged)
        }
    }

    /// The added tokens with these ids, one lower.
    private func moved(_ ids: ClosedRange<Int>, in text: String) -> String {
        ids.reduce(text) { $0.substituting("\"id\":\($1),", "\"id\":\($1 - 1),") }
    }

    /// An added token that the vocabulary holds too stays markup: as text its name is other ids,
    /// ignore_merges or not.
    @Test func anAddedTokenInsideTheVocabularyIsNotFoundInText() throws {
        let text = try Fixture.text("tokenizer.json")
            .substituting("\"zqxjk\":2000", "\"/nothink\":2000")
            .substituting("\"id\":2033,", "\"id\":2000,")
        let shifted = moved(2034...2037, in: text)
        let tokenizer = try load(shifted)
        #expect(try tokenizer.encode("/nothink", specialTokens: .parse) == [2000])
        let ids = try tokenizer.encode("/nothink", specialTokens: .asText)
        #expect(!ids.contains(2000))
        #expect(tokenizer.decode(ids, skipSpecial: true) == "/nothink")
    }

    /// Tokens flagged `normalized` are looked for in what the others leave over, as tokenizers does without a
    /// normaliser.
    @Test func normalizedTokensComeSecond() throws {
        let flags = "\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":"
        let text = try changed("[MASK]" + flags + "false", "<|user|>x" + flags + "true")
        let tokenizer = try load(text)
        let user = try #require(tokenizer.id(of: "<|user|>"))
        let long = try #require(tokenizer.id(of: "<|user|>x"))
        let ids = try tokenizer.encode("<|user|>x", specialTokens: .parse)
        #expect(
            ids.first == user && !ids.contains(long),
            "the longer one is not even looked for where the first was")
        let longest = try load(text.substituting("\"normalized\":true", "\"normalized\":false"))
        #expect(
            try longest.encode("<|user|>x", specialTokens: .parse) == [long],
            "the control: in one round it wins")
    }

    @Test func aMissingFileIsToldApartFromABadOne() throws {
        expectRefused(.noSuchFile, containing: "no-such-tokenizer.json") {
            _ = try Tokenizer.load(path: "no-such-tokenizer.json")
        }
        expectRefused(containing: "byte 1") { _ = try load("{") }
        expectRefused(containing: "an object") { _ = try load("[]") }
        expectRefused(containing: "\"pre_tokenizer\"") { _ = try load("{}") }
    }

    @Test func everyPrefixOfAFileIsRefused() throws {
        let text = Array(try Fixture.text("tokenizer.json").utf8)
        for end in stride(from: 0, to: text.count - 1, by: 4999) {
            expectRefused { _ = try Tokenizer(JSONDocument(parsing: Array(text[..<end]), source: "test")) }
        }
    }
}
