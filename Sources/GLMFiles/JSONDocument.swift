// A parsed JSON text: the source bytes and a tape of tokens over them. Knows no file format that is written in JSON.

/// One strictly read JSON text (RFC 8259).
///
/// Refused beyond what the grammar refuses: a byte order mark, invalid UTF-8, lone surrogates, nesting deeper than
/// ``maximumDepth`` containers, more than ``maximumEntries`` keys and values, two equal keys in one object (compared by
/// bytes after unescaping), texts of 1 GiB or more. Nothing is converted while reading: strings and numbers are slices of the source until they are asked for.
/// Time and memory are linear in the number of bytes, whatever they say: 8 bytes of tape per token, and the duplicate
/// check hashes with a seed drawn for each text. Values do not depend on the seed.
package struct JSONDocument: Sendable {
    /// The largest number of containers around a value, itself included.
    package static let maximumDepth = 128
    /// The largest number of keys and values in a text: seven times what a checkpoint of 120,000 tensors needs.
    package static let maximumEntries = 10_000_000

    let storage: JSONStorage

    /// Reads the whole of `bytes`.
    ///
    /// - Parameter source: names the text in errors, usually its path.
    /// - Parameter maximumEntries: the most keys and values; memory is 8 bytes for each, at most.
    /// - Throws: `badInput` with the byte offset, what was found there and what was expected.
    package init(
        parsing bytes: [UInt8], source: String, maximumEntries: Int = JSONDocument.maximumEntries
    ) throws(InputError) {
        do {
            let tape = try bytes.withUnsafeBufferPointer { buffer throws(JSONFailure) in
                try JSONParser.tape(of: buffer, entryLimit: maximumEntries)
            }
            storage = JSONStorage(bytes: bytes, tape: tape, source: source)
        } catch {
            throw error.inputError(bytes: bytes, source: source)
        }
    }

    /// Copies `bytes` (they need not outlive the call) and reads the whole of the copy.
    package init(parsing bytes: UnsafeRawBufferPointer, source: String) throws(InputError) {
        try self.init(parsing: Array(bytes), source: source)
    }

    /// Reads the regular file at `path`.
    ///
    /// - Parameter limit: a file of more bytes is refused before it is read.
    /// - Throws: `noSuchFile`, `inputOutput`, or `badInput` as `init(parsing:source:)`.
    package static func load(path: String, limit: Int) throws(InputError) -> JSONDocument {
        let file = try MappedFile.open(path: path)
        guard file.bytes.count <= limit else {
            throw InputError(
                .badInput, file: path, found: "a JSON file of \(file.bytes.count) bytes",
                expected: "at most \(limit) bytes")
        }
        try GitLFSPointer.refuse(file.bytes, path: path)
        return try JSONDocument(parsing: file.bytes, source: path)
    }

    package var root: JSONValue { JSONValue(storage: storage, index: 0) }
}

/// What the values of one document share.
final class JSONStorage: Sendable {
    let bytes: [UInt8]
    let tape: [JSONToken]
    let source: String

    init(bytes: [UInt8], tape: [JSONToken], source: String) {
        self.bytes = bytes
        self.tape = tape
        self.source = source
    }
}

/// One entry of the tape, packed into 8 bytes: kind (4 bits), start (30), end (30).
///
/// Scalars: `start..<end` is the slice of the source, for strings without the quotes. Containers: `start` is the
/// offset of the opening bracket and `end` the index on the tape just past the last entry inside. A member of an
/// object is its key's entry followed by its value's.
struct JSONToken {
    enum Kind: UInt64 {
        case null, falseLiteral, trueLiteral, number, string, escapedString, array, object
    }

    static let limit = 1 << 30
    private var packed: UInt64

    /// - Precondition: `start` and `end` are in `0..<JSONToken.limit`.
    init(_ kind: Kind, start: Int, end: Int) {
        packed =
            kind.rawValue << 60 | UInt64(truncatingIfNeeded: start) << 30 | UInt64(truncatingIfNeeded: end)
    }

    var kind: Kind { Kind(rawValue: packed >> 60) ?? .null }
    var start: Int { Int(packed >> 30 & 0x3fff_ffff) }
    var end: Int { Int(packed & 0x3fff_ffff) }
    var isContainer: Bool { packed >> 60 >= Kind.array.rawValue }

    /// The index of the entry that follows the value at `index`.
    func next(after index: Int) -> Int {
        isContainer ? end : index + 1
    }
}

/// Why the reader stopped; small, so that throwing it costs the fast path nothing.
struct JSONFailure: Error {
    enum Reason {
        case unexpected(expected: StaticString)
        case refused(StaticString, expected: StaticString)
        /// A key that an earlier member has; the offset is the key's first byte, the length its slice's.
        case duplicateKey(length: Int)
        case tooManyEntries(limit: Int)
    }

    var offset: Int
    var reason: Reason

    func inputError(bytes: [UInt8], source: String) -> InputError {
        let line = 1 + bytes.prefix(offset).count { $0 == UInt8(ascii: "\n") }
        var error = InputError(.badInput, file: source, subject: "byte \(offset) (line \(line))", found: "")
        switch reason {
        case .unexpected(let expected):
            error.found = Self.describe(bytes, at: offset)
            error.expected = "\(expected)"
        case .refused(let found, let expected):
            error.found = "\(found)"
            error.expected = "\(expected)"
        case .tooManyEntries(let limit):
            error.found = "more keys and values before it than \(limit)"
            error.expected = "a smaller text"
        case .duplicateKey(let length):
            let key = ByteString(bytes: bytes[offset..<offset + min(length, 200)])
            error.found = "the key \"\(key)\"\(length > 200 ? "…" : "") a second time in one object"
            error.expected = "each key once"
        }
        return error
    }

    private static func describe(_ bytes: [UInt8], at offset: Int) -> String {
        guard offset < bytes.count else { return "the end of the text" }
        let byte = bytes[offset]
        if (0x21..<0x7f).contains(byte) {
            return "'\(Character(Unicode.Scalar(byte)))'"
        }
        let hex = String(byte, radix: 16)
        return "the byte 0x" + (hex.count < 2 ? "0" : "") + hex
    }
}
