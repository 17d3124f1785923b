// Encoding refuses exactly what is not UTF-8, by its offset, and gives every byte of all else back; words make no added
// token; tokens one by one decode to the same text as all at once.

import FuzzSupport
import GLMFiles
import GLMText

/// The property at the top of this file, on one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEncode(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let bytes = fuzzedBytes(data, size)
    checkDecoding(bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else {
        checkRefusal(of: bytes)
        return 0
    }
    let words = encode(bytes, .asText)
    let markup = encode(bytes, .parse)
    for ids in [words, markup] {
        require(ids.flatMap { Fixture.tokenizer.tokenBytes($0) ?? [] } == bytes, "the bytes of '\(text)'")
        require(
            Fixture.tokenizer.decode(ids, skipSpecial: false).utf8.elementsEqual(bytes), "'\(text)' decoded")
    }
    require(words.allSatisfy { $0 < Fixture.firstAdded }, "no added token in the words '\(text)'")
    if !bytes.contains(where: { "<[/".utf8.contains($0) }) {
        require(words == markup, "'\(text)' has no name of an added token")
    }
    let half = String(text.unicodeScalars.prefix(text.unicodeScalars.count / 2))
    let rest = String(text.unicodeScalars.dropFirst(text.unicodeScalars.count / 2))
    let parts = acceptedOrRefused { () throws(InputError) in
        try Fixture.tokenizer.encode([.text(half), .text(rest)])
    }
    require(parts == words, "'\(half)' and '\(rest)' are one text")
    return 0
}

private func encode(_ bytes: [UInt8], _ specialTokens: Tokenizer.SpecialTokens) -> [Int32] {
    let ids = acceptedOrRefused { () throws(InputError) in
        try Fixture.tokenizer.encode(bytes: bytes, source: "fuzz", specialTokens: specialTokens)
    }
    require(ids != nil, "UTF-8 is encoded")
    return ids ?? []
}

private func checkRefusal(of bytes: [UInt8]) {
    do {
        _ = try Fixture.tokenizer.encode(bytes: bytes, source: "fuzz", specialTokens: .parse)
        require(false, "bytes that are no UTF-8 are refused")
    } catch {
        require(error.kind == .badInput && error.file == "fuzz", "'\(error)' names the text")
        guard let subject = error.subject, subject.hasPrefix("byte "), let offset = Int(subject.dropFirst(5)),
            bytes.indices.contains(offset)
        else {
            require(false, "'\(error)' names an offset in \(bytes.count) bytes")
            return
        }
        require(String(validating: bytes[..<offset], as: UTF8.self) != nil, "UTF-8 before byte \(offset)")
        let isWhole = (1...4).contains { length in
            offset + length <= bytes.count
                && String(validating: bytes[offset..<offset + length], as: UTF8.self) != nil
        }
        require(!isWhole, "no scalar at byte \(offset)")
    }
}

/// The input as ids, two bytes each: whatever the model says.
private func checkDecoding(_ bytes: [UInt8]) {
    let ids = stride(from: 0, to: bytes.count - 1, by: 2).map { place in
        Int32(Int16(truncatingIfNeeded: Int(bytes[place]) << 8 | Int(bytes[place + 1])))
    }
    for skipsSpecial in [false, true] {
        var decoder = IncrementalDecoder(Fixture.tokenizer, skipSpecial: skipsSpecial)
        var pieces = ""
        for id in ids { pieces += decoder.append(id) }
        pieces += decoder.finish()
        let whole = ids.filter { !(skipsSpecial && Fixture.tokenizer.isSpecial($0)) }
            .flatMap { Fixture.tokenizer.tokenBytes($0) ?? [] }
        require(pieces.utf8.elementsEqual(String(decoding: whole, as: UTF8.self).utf8), "ids \(ids) decoded")
        require(
            Fixture.tokenizer.decode(ids, skipSpecial: skipsSpecial).utf8.elementsEqual(pieces.utf8),
            "ids \(ids) decoded at once")
    }
}

/// The small tokenizer of the unit tests. Run from the root of the repository.
private enum Fixture {
    static let tokenizer = {
        do throws(InputError) {
            return try Tokenizer.load(path: "Tests/GLMTextTests/Fixtures/tokenizer.json")
        } catch {
            fatalError("\(error)")
        }
    }()

    /// The added tokens follow the vocabulary.
    static let firstAdded = tokenizer.id(of: "<|endoftext|>") ?? 0
}
