// Text as the bytes that were stored. Knows nothing of Unicode beyond UTF-8 validity.

/// A string compared, hashed and ordered by its bytes.
///
/// Tensor names, vocabulary entries and JSON keys are kept in this type: `String` treats canonically equal texts
/// ("é" in one scalar or in two) as the same key, and vocabulary entries need not be valid UTF-8.
package struct ByteString: Hashable, Sendable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible
{
    package var bytes: [UInt8]

    /// The UTF-8 form of `text`.
    package init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// Any bytes, valid UTF-8 or not.
    package init(bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    package init(stringLiteral text: String) {
        self.init(text)
    }

    /// The text, or nil when the bytes are not valid UTF-8.
    package var string: String? {
        String(validating: bytes, as: UTF8.self)
    }

    /// The text with every invalid byte sequence replaced by U+FFFD: for messages only.
    package var description: String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// Number of bytes.
    package var count: Int { bytes.count }

    /// Lexicographic by unsigned byte; a proper prefix comes first.
    package static func < (left: ByteString, right: ByteString) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// `left` followed by `right`.
    package static func + (left: ByteString, right: ByteString) -> ByteString {
        ByteString(bytes: left.bytes + right.bytes)
    }

    package func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// True when the bytes end with the UTF-8 form of `text`.
    package func hasSuffix(_ text: String) -> Bool {
        bytes.count >= text.utf8.count && bytes.suffix(text.utf8.count).elementsEqual(text.utf8)
    }

    /// True when the bytes begin with the UTF-8 form of `text`.
    package func hasPrefix(_ text: String) -> Bool {
        bytes.starts(with: text.utf8)
    }
}
