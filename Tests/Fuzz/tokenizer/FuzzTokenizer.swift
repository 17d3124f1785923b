// A tokenizer.json that is accepted loses no byte of any text, and a text that is only words never makes an added
// token; a refusal names the file and the byte.

import FuzzSupport
import GLMFiles
import GLMText

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizer(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = fuzzedBytes(data, size)
    check(bytes)
    // A vocabulary of all bytes is rarely kept whole by chance: the text once more, divided at 0 bytes, as more of the
    // vocabulary, of the merges and of the added tokens of a good file.
    let parts = bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    check(
        GoodFile.text(
            vocabulary: parts[0], merges: parts.count > 1 ? parts[1] : [],
            addedTokens: parts.count > 2 ? parts[2] : []))
    return 0
}

private func check(_ file: [UInt8]) {
    let accepted = acceptedOrRefused(naming: "tokenizer.json: ", "byte ") { () throws(InputError) in
        try Tokenizer(JSONDocument(parsing: file, source: "tokenizer.json"))
    }
    guard let tokenizer = accepted else { return }
    for text in texts(for: tokenizer) {
        guard let words = encode(text, with: tokenizer, .asText),
            let markup = encode(text, with: tokenizer, .parse)
        else { continue }
        require(
            words.flatMap { tokenizer.tokenBytes($0) ?? [] } == Array(text.utf8), "the bytes of '\(text)'")
        require(
            tokenizer.decode(words, skipSpecial: false).utf8.elementsEqual(text.utf8), "'\(text)' decoded")
        require(!words.contains(where: tokenizer.isSpecial), "no special token in the words '\(text)'")
        let ids = 0..<Int32(tokenizer.vocabularySize)
        require(markup.allSatisfy(ids.contains), "ids of '\(text)' in the vocabulary")
        require(markup.allSatisfy { tokenizer.tokenBytes($0) != nil }, "ids of '\(text)' are tokens")
    }
}

private func encode(
    _ text: String, with tokenizer: Tokenizer, _ specialTokens: Tokenizer.SpecialTokens
) -> [Int32]? {
    let ids = acceptedOrRefused { () throws(InputError) in
        try tokenizer.encode(text, specialTokens: specialTokens)
    }
    require(ids != nil, "'\(text)' is encoded")
    return ids
}

/// Some writing of all kinds, and what the tokens of the file say, alone and in one text.
private func texts(for tokenizer: Tokenizer) -> [String] {
    var texts = [
        "", "The quick brown fox can't jump 12345 times.\r\n\n  over\tit ", "naïve — 你好，世界 🙂👩‍👩‍👧 \u{301}",
        "[gMASK]<sop><|user|>a</think><x>\u{0}\u{7f}\u{10ffff}", "abababab abcabc aaaaaaaa",
    ]
    var all: [UInt8] = []
    for id in 0..<Int32(tokenizer.vocabularySize) where texts.count < 100 {
        guard let bytes = tokenizer.tokenBytes(id), bytes.count > 1 else { continue }
        all += bytes
        if let text = String(validating: bytes, as: UTF8.self) { texts.append(text) }
    }
    texts.append(String(decoding: all, as: UTF8.self))
    return texts
}

/// A small tokenizer.json to which the fuzzer's text adds: every byte has a token, byte b the id b.
private enum GoodFile {
    private static let start = Array(
        #"""
        {"version":"1.0","normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[
        {"type":"Split","pattern":{"Regex":\#(pattern)},"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
        "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{\#(bytes)
        """#.utf8)

    private static let pattern =
        #""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"#
        + #"|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+""#

    /// `"Ā":0,"ā":1,…`: printable Latin-1 stands for itself, the other bytes for U+0100 and what follows.
    private static let bytes = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            var scalar = byte
            if !(0x21...0x7e).contains(byte) && !(0xa1...0xac).contains(byte) && !(0xae...0xff).contains(byte)
            {
                scalar = next
                next += 1
            }
            let key = Unicode.Scalar(scalar).map { String(Character($0)) } ?? ""
            return JSON.string(key).text() + ":\(byte)"
        }.joined(separator: ",")
    }()

    static func text(
        vocabulary: ArraySlice<UInt8>, merges: ArraySlice<UInt8>, addedTokens: ArraySlice<UInt8>
    ) -> [UInt8] {
        start + (vocabulary.isEmpty ? [] : [UInt8(ascii: ",")]) + vocabulary + Array(#"},"merges":["#.utf8)
            + merges + Array(#"]},"added_tokens":["#.utf8) + addedTokens + Array("]}".utf8)
    }
}
