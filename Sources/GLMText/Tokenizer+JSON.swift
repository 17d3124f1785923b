// Reading tokenizer.json. The one place that knows its keys.

public import GLMFiles

extension Tokenizer {
    /// A tokenizer.json of more bytes is refused before it is read: 256 MiB.
    private static let longestFile = 256 << 20

    /// Reads a `tokenizer.json`.
    ///
    /// - Throws: `noSuchFile`, `inputOutput`; `badInput` with field and byte offset for malformed JSON, for a
    ///   component that is not the one of GLM models (by name: nothing is approximated), and for a
    ///   vocabulary, merges or added tokens that contradict each other.
    public static func load(path: String) throws(InputError) -> Tokenizer {
        try Tokenizer(JSONDocument.load(path: path, limit: longestFile))
    }

    /// Reads a parsed `tokenizer.json`.
    package init(_ document: JSONDocument) throws(InputError) {
        self.init()
        let root = JSONField(document.root)
        try root.refuseMembers(besides: [
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor",
            "decoder", "model",
        ])
        try Tokenizer.checkComponents(root)
        let model = try root.required("model")
        ignoresMerges = try Tokenizer.checkModel(model)
        let addedTokens = try root.optional("added_tokens")?.elements().map { field throws(InputError) in
            try AddedToken(field)
        }
        let vocabulary = try model.required("vocab")
        try addVocabulary(vocabulary, besides: addedTokens ?? [])
        try addAddedTokens(addedTokens ?? [])
        try findByteIDs(vocabulary)
        try addMerges(model.required("merges"))
    }
}

/// One entry of `added_tokens`.
private struct AddedToken {
    let field: JSONField
    let id: Int32
    let content: ByteString
    let isNormalized: Bool
    let isSpecial: Bool

    init(_ field: JSONField) throws(InputError) {
        let flags = ["single_word", "lstrip", "rstrip", "normalized", "special"]
        try field.refuseMembers(besides: ["id", "content"] + flags)
        self.field = field
        id = Int32(try field.required("id").integer(in: 0..<Tokenizer.identifierLimit))
        let content = try field.required("content")
        self.content = ByteString(try content.string())
        guard (1...Tokenizer.longestAddedToken).contains(self.content.count) else {
            throw content.error(
                found: "an added token of \(self.content.count) bytes",
                expected: "1 to \(Tokenizer.longestAddedToken)")
        }
        for name in flags.prefix(3) {
            if let flag = field.optional(name), try flag.bool() {
                throw flag.error(
                    found: "true", expected: "false", remedy: "added tokens with \(name) are not supported")
            }
        }
        isSpecial = try field.optional("special")?.bool() ?? false
        isNormalized = try field.optional("normalized")?.bool() ?? !isSpecial
    }
}

extension Tokenizer {
    /// The vocabulary's entries. Those that are added tokens are not entered for look-up: no text merges to
    /// them.
    private mutating func addVocabulary(_ field: JSONField, besides added: [AddedToken]) throws(InputError) {
        guard let count = field.value.count, field.value.kind == .object else {
            throw field.mistyped(expected: "an object")
        }
        var names = AddedTokenMatcher()
        for token in added {
            names.add(token.content.bytes, id: token.id)
        }
        tokens.reserve(tokens: count + added.count, bytes: count * 8)
        var key: [UInt8] = []
        var bytes: [UInt8] = []
        try field.value.forEachMember { name, value throws(InputError) in
            key.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
            func place() -> JSONField { JSONField(value, path: "\(field.path).\(ByteString(bytes: key))") }
            guard name.appendBytes(to: &key), let id = value.integer, id >= 0, id < Tokenizer.identifierLimit
            else {
                throw place().mistyped(expected: "an id from 0 to \(Tokenizer.identifierLimit - 1)")
            }
            // Keys outside the byte-level alphabet cannot come from text; they stay readable.
            let isByteLevel = alphabet.append(key[...], to: &bytes)
            let isAdded = names.token(named: key) != nil
            guard tokens.add(isByteLevel ? bytes : key, id: Int32(id), lookUp: isByteLevel && !isAdded) else {
                throw place().error(found: "the id \(id), which another token has", expected: "each id once")
            }
            if isAdded {
                self.added[ByteString(bytes: key)] = Int32(id)
            }
        }
    }

    /// Added tokens, in order: one that the vocabulary has keeps its id, the others follow the vocabulary.
    private mutating func addAddedTokens(_ entries: [AddedToken]) throws(InputError) {
        var next = Int32(truncatingIfNeeded: tokens.entries)
        var seen: Set<ByteString> = []
        for token in entries {
            guard seen.insert(token.content).inserted else {
                throw token.field.error(
                    found: "the added token \"\(token.content)\" again", expected: "it once")
            }
            let expected = added[token.content] ?? next
            guard token.id == expected else {
                throw token.field.error(
                    found: "the id \(token.id) for \"\(token.content)\"",
                    expected: "\(expected), the id that tokenizers gives it")
            }
            if added[token.content] == nil {
                let bytes = alphabet.bytes(of: token.content.bytes) ?? token.content.bytes
                guard tokens.add(bytes, id: token.id, lookUp: false) else {
                    throw token.field.error(
                        found: "the id \(token.id), which another token has",
                        expected: "a vocabulary without holes")
                }
                next += 1
            }
            added[token.content] = token.id
            matchers[token.isNormalized ? 1 : 0].add(token.content.bytes, id: token.id)
            if token.isSpecial {
                specials.insert(token.id)
            }
        }
    }

    /// Every byte that UTF-8 can hold needs a token, or text would be lost.
    private mutating func findByteIDs(_ vocabulary: JSONField) throws(InputError) {
        for byte in UInt8.min...UInt8.max {
            byteIDs[Int(byte)] = tokens.id(of: [byte])
            let inUTF8 = byte < 0xc0 || (0xc2...0xf4).contains(byte)
            guard byteIDs[Int(byte)] != nil || !inUTF8 else {
                throw vocabulary.error(
                    found: "no token for the byte 0x\(String(byte, radix: 16))",
                    expected: "the key \"\(alphabet.key(of: [byte]))\"")
            }
        }
    }

    private mutating func addMerges(_ field: JSONField) throws(InputError) {
        guard let count = field.value.count, field.value.kind == .array else {
            throw field.mistyped(expected: "an array")
        }
        merges = BytePairEncoder(capacity: count)
        var arePairs: Bool?
        var ordinal = 0
        var merge = MergeEntry()
        try field.value.forEachElement { entry throws(InputError) in
            let place = { JSONField(entry, path: "\(field.path)[\(ordinal)]") }
            let isPair = arePairs ?? (entry.kind == .array)
            arePairs = isPair
            guard isPair ? merge.readPair(entry) : merge.readText(entry) else {
                throw place().mistyped(
                    expected: isPair ? "an array of two strings" : "a string of two tokens around one space")
            }
            defer { ordinal += 1 }
            if !isPair, merge.isVersionLine {
                return
            }
            guard merge.mapBytes(with: alphabet),
                let left = tokens.id(of: merge.leftBytes, in: merge.bytes.span),
                let right = tokens.id(of: merge.rightBytes, in: merge.bytes.span),
                let result = tokens.id(of: 0..<merge.bytes.count, in: merge.bytes.span)
            else {
                throw place().error(
                    found: "a merge of \(merge), but no \"\(missing(from: merge))\"",
                    expected: "tokens of model.vocab, and not added tokens")
            }
            merges.addMerge(left, right, result: result)
        }
    }

    /// Which token of a merge the vocabulary does not have.
    private func missing(from merge: MergeEntry) -> ByteString {
        func isThere(_ key: ByteString) -> Bool {
            alphabet.bytes(of: key.bytes).flatMap { tokens.id(of: $0) } != nil
        }
        return [merge.left, merge.right].first { !isThere($0) } ?? merge.left + merge.right
    }
}
