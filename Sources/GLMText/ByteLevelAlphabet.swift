// The characters that stand for bytes in a byte-level vocabulary. Knows no vocabulary.

/// GPT-2's one-to-one map between the 256 bytes and 256 printable characters, in which the keys of a
/// byte-level vocabulary are written.
///
/// Printable Latin-1 stands for itself, the other 68 bytes in ascending order are U+0100...U+0143.
///
/// Source: `bytes_to_unicode` of GPT-2; `ByteLevel` of huggingface/tokenizers.
struct ByteLevelAlphabet: Sendable {
    /// The byte each scalar below U+0144 stands for.
    private let bytes: [UInt8?]
    /// The scalar that stands for each byte.
    private let scalars: [Unicode.Scalar]

    init() {
        var bytes = [UInt8?](repeating: nil, count: 0x144)
        var scalars: [Unicode.Scalar] = []
        var next: UInt16 = 0x100
        for byte in UInt8.min...UInt8.max {
            var scalar = UInt16(byte)
            switch byte {
            case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: break
            default:
                scalar = next
                next += 1
            }
            bytes[Int(scalar)] = byte
            scalars.append(Unicode.Scalar(scalar) ?? " ")
        }
        self.bytes = bytes
        self.scalars = scalars
    }

    /// The bytes that `key` stands for, or nil when it has a character outside the alphabet.
    ///
    /// - Parameter key: valid UTF-8.
    func bytes(of key: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        return append(key[...], to: &result) ? result : nil
    }

    /// Appends the bytes that `key` stands for; false when it has a character outside the alphabet (those
    /// before it are appended then).
    ///
    /// - Parameter key: valid UTF-8.
    func append(_ key: ArraySlice<UInt8>, to result: inout [UInt8]) -> Bool {
        var offset = key.startIndex
        while offset < key.endIndex {
            var scalar = Int(key[offset])
            offset += 1
            if scalar >= 0x80 {
                guard scalar < 0xe0, offset < key.endIndex else { return false }
                scalar = (scalar & 0x1f) << 6 | Int(key[offset] & 0x3f)
                offset += 1
            }
            guard scalar < bytes.count, let byte = bytes[scalar] else { return false }
            result.append(byte)
        }
        return true
    }

    /// The key that stands for `bytes`.
    func key(of bytes: some Sequence<UInt8>) -> String {
        var key = ""
        for byte in bytes {
            key.unicodeScalars.append(scalars[Int(byte)])
        }
        return key
    }
}
