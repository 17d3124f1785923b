// What tokenizer.json may name around its vocabulary. Everything else is refused by name.

import GLMFiles

extension Tokenizer {
    /// Refuses any normaliser, pre-tokenizer, decoder, … but those of GLM models.
    static func checkComponents(_ root: JSONField) throws(InputError) {
        for name in ["normalizer", "truncation", "padding"] {
            if let field = root.optional(name) {
                throw field.error(
                    found: "a \(name)" + typeName(field), expected: "null",
                    remedy: "only tokenizers without a \(name) are supported")
            }
        }
        try checkPreTokenizer(root.required("pre_tokenizer"))
        guard let decoder = root.optional("decoder") else {
            throw root.error(found: "no \"decoder\"", expected: "the ByteLevel decoder")
        }
        // As a decoder and as a post-processor ByteLevel has no options that change tokens or text.
        try requireType("ByteLevel", of: decoder)
        if let processor = root.optional("post_processor") { try checkPostProcessor(processor) }
    }

    /// `ByteLevel`, or a template that adds nothing to a single text, as transformers saves one by default.
    private static func checkPostProcessor(_ field: JSONField) throws(InputError) {
        let type = try field.required("type")
        switch try type.string() {
        case "ByteLevel": return
        case "TemplateProcessing":
            let pieces = try field.required("single").elements()
            guard pieces.count == 1, pieces[0].value["Sequence"]?["id"]?.string == "A" else {
                throw field.error(
                    found: "a template that adds tokens to the text", expected: "the text alone",
                    remedy: "GLM tokenizers add no tokens of their own")
            }
        default: throw type.mistyped(expected: "\"ByteLevel\" or \"TemplateProcessing\"")
        }
    }

    /// `Sequence [Split(the GLM pattern, isolated), ByteLevel(no prefix space, no pattern of its own)]`.
    private static func checkPreTokenizer(_ field: JSONField) throws(InputError) {
        try requireType("Sequence", of: field)
        try field.refuseMembers(besides: ["type", "pretokenizers"])
        let list = try field.required("pretokenizers")
        let steps = try list.elements()
        guard steps.count == 2 else {
            throw list.error(found: "\(steps.count) steps", expected: "Split, then ByteLevel")
        }
        let (split, byteLevel) = (steps[0], steps[1])
        try requireType("Split", of: split)
        try split.refuseMembers(besides: ["type", "pattern", "behavior", "invert"])
        let pattern = try split.required("pattern").required("Regex")
        guard try pattern.string() == PreTokenizer.pattern else {
            throw pattern.error(
                found: "the pattern \(try pattern.string().prefix(400))", expected: PreTokenizer.pattern,
                remedy: "only the pre-tokenizer of GLM models is supported")
        }
        try require("Isolated", split.required("behavior"))
        try require(false, split.optional("invert"))
        try requireType("ByteLevel", of: byteLevel)
        try byteLevel.refuseMembers(besides: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
        try require(false, byteLevel.required("add_prefix_space"))
        try require(false, byteLevel.required("use_regex"))
    }

    /// Refuses any model but plain byte-level BPE.
    ///
    /// - Returns: `ignore_merges`.
    static func checkModel(_ model: JSONField) throws(InputError) -> Bool {
        try requireType("BPE", of: model)
        try model.refuseMembers(besides: [
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges",
        ])
        if let dropout = model.optional("dropout"), dropout.value.double != 0 {
            throw dropout.mistyped(expected: "null or 0: encoding is not random here")
        }
        if let unknown = model.optional("unk_token") {
            throw unknown.mistyped(expected: "null: a byte-level vocabulary has no unknown text")
        }
        try require("", model.optional("continuing_subword_prefix"))
        try require("", model.optional("end_of_word_suffix"))
        try require(false, model.optional("byte_fallback"))
        _ = try model.optional("fuse_unk")?.bool()
        return try model.optional("ignore_merges")?.bool() ?? false
    }

    private static func requireType(_ name: String, of field: JSONField) throws(InputError) {
        let type = try field.required("type")
        guard try type.string() == name else {
            throw type.mistyped(expected: "\"\(name)\"")
        }
    }

    private static func require(_ text: String, _ field: JSONField?) throws(InputError) {
        guard let field, try field.string() != text else { return }
        throw field.mistyped(expected: "\"\(text)\"")
    }

    private static func require(_ flag: Bool, _ field: JSONField?) throws(InputError) {
        guard let field, try field.bool() != flag else { return }
        throw field.mistyped(expected: "\(flag)")
    }

    /// ` of type X`, where the component says so.
    private static func typeName(_ field: JSONField) -> String {
        field.value["type"]?.string.map { " of type \"\($0)\"" } ?? ""
    }
}
