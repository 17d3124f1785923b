// Reading one merge of tokenizer.json. Knows no vocabulary.

import GLMFiles

/// One entry of `merges` while it is read; the buffers serve all entries.
struct MergeEntry: CustomStringConvertible {
    /// Both keys as they are written, without anything between them.
    private var keys: [UInt8] = []
    private var cut = 0
    /// The bytes both keys stand for.
    private(set) var bytes: [UInt8] = []
    private var bytesCut = 0

    var left: ByteString { ByteString(bytes: keys[..<cut]) }
    var right: ByteString { ByteString(bytes: keys[cut...]) }
    var description: String { "\"\(left)\" and \"\(right)\"" }

    /// Where the left key's bytes are in `bytes`.
    var leftBytes: Range<Int> { 0..<bytesCut }
    /// Where the right key's bytes are in `bytes`.
    var rightBytes: Range<Int> { bytesCut..<bytes.count }

    /// A line such as `#version: 0.2`, which tokenizers skips among merges written as text.
    var isVersionLine: Bool { left.hasPrefix("#version") }

    /// `["a", "b"]`.
    mutating func readPair(_ entry: JSONValue) -> Bool {
        keys.removeAll(keepingCapacity: true)
        var count = 0
        var areStrings = true
        entry.forEachElement { part in
            if count == 1 {
                cut = keys.count
            }
            count += 1
            areStrings = part.appendBytes(to: &keys) && areStrings
        }
        return count == 2 && areStrings
    }

    /// `"a b"`.
    mutating func readText(_ entry: JSONValue) -> Bool {
        keys.removeAll(keepingCapacity: true)
        let space = UInt8(ascii: " ")
        guard entry.appendBytes(to: &keys), let place = keys.firstIndex(of: space) else { return false }
        keys.remove(at: place)
        cut = place
        return !keys.contains(space)
    }

    /// Makes `bytes` of the keys; false when they have characters outside the alphabet.
    mutating func mapBytes(with alphabet: ByteLevelAlphabet) -> Bool {
        bytes.removeAll(keepingCapacity: true)
        guard alphabet.append(keys[..<cut], to: &bytes) else { return false }
        bytesCut = bytes.count
        return alphabet.append(keys[cut...], to: &bytes)
    }
}
