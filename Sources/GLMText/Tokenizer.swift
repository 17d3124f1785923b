// Text to tokens and back. Reading tokenizer.json is in Tokenizer+JSON.swift.

public import GLMFiles

/// A byte-level BPE tokenizer with added tokens, as `tokenizer.json` of GLM models describes it.
///
/// Ids are the same as those of huggingface/tokenizers 0.23.3. Text is cut in three steps: added tokens
/// (leftmost, then longest), pre-tokens (``PreTokenizer``), byte pair merges.
public struct Tokenizer: Sendable {
    /// A pre-token of more bytes is refused: 1 MiB. No writing has words of that size, and the time for one
    /// is bounded.
    public static let longestPreToken = 1 << 20
    /// An added token of more bytes is refused.
    package static let longestAddedToken = 256
    /// Ids must be below this: 4,194,304.
    package static let identifierLimit = 1 << 22

    /// What the names of added tokens in a text are.
    public enum SpecialTokens: Sendable {
        /// Markup: they become their ids. For raw prompts, which their writer controls.
        case parse
        /// Words: they are tokenised like any other text. For content from outside.
        case asText
    }

    let preTokenizer = PreTokenizer()
    let alphabet = ByteLevelAlphabet()
    var tokens = TokenTable()
    var byteIDs = [Int32?](repeating: nil, count: 256)
    var merges = BytePairEncoder(capacity: 0)
    /// A pre-token that is itself a token needs no merges.
    var ignoresMerges = false
    /// Added tokens by content.
    var added: [ByteString: Int32] = [:]
    /// The two rounds of looking for added tokens: not normalised ones first, then the others.
    var matchers = [AddedTokenMatcher(), AddedTokenMatcher()]
    /// Ids that `skipSpecial` leaves out.
    var specials: Set<Int32> = []

    init() {}

    /// One more than the largest id; a model's embedding may have more rows.
    public var vocabularySize: Int { tokens.count }

    /// The id of a token by its name: an added token's content, or a vocabulary key in the byte-level
    /// alphabet.
    public func id(of token: String) -> Int32? {
        let name = ByteString(token)
        return added[name] ?? alphabet.bytes(of: name.bytes).flatMap { tokens.id(of: $0) }
    }

    /// The bytes that `id` adds to a text, nil when no token has this id.
    public func tokenBytes(_ id: Int32) -> [UInt8]? {
        tokens[id].map { Array($0) }
    }

    /// Whether `id` is an added token flagged as special, which `skipSpecial` leaves out.
    public func isSpecial(_ id: Int32) -> Bool {
        specials.contains(id)
    }

    /// The ids of `text`.
    ///
    /// - Throws: `badInput` with the byte offset when a pre-token is longer than ``longestPreToken``.
    public func encode(_ text: String, specialTokens: SpecialTokens) throws(InputError) -> [Int32] {
        try encode(specialTokens == .parse ? [.markup(text)] : [.text(text)])
    }

    /// The ids of UTF-8 text.
    ///
    /// - Parameters:
    ///   - source: names the text in errors.
    ///   - limit: most ids, a model's context; a longer text is refused where it exceeds them, without encoding the rest.
    /// - Throws: `badInput` with the byte offset when the bytes are not UTF-8, a pre-token is longer than
    ///   ``longestPreToken``, or there are more than `limit` ids.
    public func encode(
        bytes: [UInt8], source: String? = nil, specialTokens: SpecialTokens, limit: Int = .max
    ) throws(InputError) -> [Int32] {
        if let offset = UTF8Check.firstError(in: bytes.span) {
            throw InputError(
                .badInput, file: source, subject: "byte \(offset)",
                found: "a byte sequence that is not UTF-8 (0x\(String(bytes[offset], radix: 16)) …)",
                expected: "UTF-8 text", remedy: "convert the text, for example with iconv")
        }
        return try encode(
            bytes, markup: specialTokens == .parse ? [0..<bytes.count] : [], source: source, limit: limit)
    }

    /// The ids of a prompt: its parts are one text, and added tokens are recognised in its markup alone.
    ///
    /// - Throws: `badInput` with the byte offset in the whole prompt, as `encode(_:specialTokens:)`.
    public func encode(_ parts: [PromptPart]) throws(InputError) -> [Int32] {
        var bytes: [UInt8] = []
        var markup: [Range<Int>] = []
        for part in parts {
            let start = bytes.count
            bytes += part.characters.utf8
            guard case .markup = part else { continue }
            if let last = markup.last, last.upperBound == start {
                markup[markup.count - 1] = last.lowerBound..<bytes.count
            } else {
                markup.append(start..<bytes.count)
            }
        }
        return try encode(bytes, markup: markup, source: nil)
    }

    /// The text of `ids`; bytes that are no UTF-8 become U+FFFD, ids that no token has add nothing.
    public func decode(_ ids: [Int32], skipSpecial: Bool) -> String {
        var decoder = IncrementalDecoder(self, skipSpecial: skipSpecial)
        var text = ""
        for id in ids {
            text += decoder.append(id)
        }
        return text + decoder.finish()
    }
}

extension Tokenizer {
    /// - Parameter markup: ascending, where added tokens are recognised.
    private func encode(
        _ bytes: [UInt8], markup: [Range<Int>], source: String?, limit: Int = .max
    ) throws(InputError) -> [Int32] {
        let text = bytes.span
        var ids: [Int32] = []
        var workspace = MergeWorkspace()
        var offset = 0
        for match in addedTokens(in: markup, of: text) {
            try encode(offset..<match.range.lowerBound, of: text, source, limit, &workspace, into: &ids)
            ids.append(match.id)
            offset = match.range.upperBound
        }
        try encode(offset..<bytes.count, of: text, source, limit, &workspace, into: &ids)
        return ids
    }

    /// All added tokens, from left to right: those of the first round, then those of the second in what is
    /// left.
    private func addedTokens(in markup: [Range<Int>], of text: Span<UInt8>) -> [AddedTokenMatch] {
        var matches: [AddedTokenMatch] = []
        for part in markup {
            var first: [AddedTokenMatch] = []
            matchers[0].find(in: part, of: text, into: &first)
            var offset = part.lowerBound
            for match in first {
                matchers[1].find(in: offset..<match.range.lowerBound, of: text, into: &matches)
                matches.append(match)
                offset = match.range.upperBound
            }
            matchers[1].find(in: offset..<part.upperBound, of: text, into: &matches)
        }
        return matches
    }

    /// Encodes text between two added tokens.
    private func encode(
        _ section: Range<Int>, of text: Span<UInt8>, _ source: String?, _ limit: Int,
        _ workspace: inout MergeWorkspace, into ids: inout [Int32]
    ) throws(InputError) {
        // The pattern's look-ahead sees the end of the section as the end of the text.
        let visible = text.extracting(..<section.upperBound)
        var start = section.lowerBound
        while start < section.upperBound {
            let end = preTokenizer.end(ofTokenAt: start, in: visible)
            guard end - start <= Tokenizer.longestPreToken else {
                throw Tokenizer.tooLong(start..<end, source)
            }
            if ignoresMerges, let id = tokens.id(of: start..<end, in: visible) {
                ids.append(id)
            } else {
                workspace.load(start..<end, of: visible, byteIDs: byteIDs)
                merges.merge(&workspace, into: &ids)
            }
            guard ids.count <= limit else { throw Tokenizer.tooMany(limit, before: end, source) }
            start = end
        }
    }

    private static func tooMany(_ limit: Int, before end: Int, _ source: String?) -> InputError {
        InputError(
            .badInput, file: source, subject: "byte \(end)", found: "more than \(limit) tokens before it",
            expected: "at most \(limit), the context", remedy: "shorten the text or raise --ctx-size")
    }

    private static func tooLong(_ range: Range<Int>, _ source: String?) -> InputError {
        InputError(
            .badInput, file: source, subject: "byte \(range.lowerBound)",
            found: "\(range.count) bytes without a place to divide them",
            expected: "at most \(longestPreToken) bytes of one kind (letters, spaces, symbols) in a row")
    }
}
