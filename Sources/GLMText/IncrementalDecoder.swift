// Tokens to text, piece by piece. Knows bytes; no stop strings, no markup.

/// Turns ids into text as they come and never cuts a UTF-8 sequence.
///
/// The pieces together are the same text whatever the calls: what ``Tokenizer/decode(_:skipSpecial:)`` gives.
/// Bytes that are no UTF-8 become U+FFFD, one for each maximal part of a sequence, as in Python's
/// `errors="replace"`.
public struct IncrementalDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecial: Bool
    /// At most three bytes that may still become a scalar.
    private var pending: [UInt8] = []

    /// - Parameter skipSpecial: leave out added tokens that are flagged as special. Markup such as `<think>`
    ///   is added but not special, and stays.
    public init(_ tokenizer: Tokenizer, skipSpecial: Bool) {
        self.tokenizer = tokenizer
        self.skipSpecial = skipSpecial
    }

    /// The text that is certain after `id`; empty while a sequence is incomplete, and for an id that no token
    /// has.
    public mutating func append(_ id: Int32) -> String {
        if skipSpecial, tokenizer.isSpecial(id) {
            return ""
        }
        guard let bytes = tokenizer.tokens[id] else { return "" }
        pending += bytes
        let end = IncrementalDecoder.endOfCertain(in: pending.span)
        let text = String(decoding: pending[..<end], as: UTF8.self)
        pending.removeFirst(end)
        return text
    }

    /// What was held back: empty, or U+FFFD for a sequence that stays incomplete. The decoder starts over.
    public mutating func finish() -> String {
        let text = String(decoding: pending, as: UTF8.self)
        pending = []
        return text
    }

    /// Where the last, still incomplete sequence starts; the end when there is none.
    private static func endOfCertain(in bytes: Span<UInt8>) -> Int {
        for start in max(0, bytes.count - 3)..<bytes.count
        where UTF8Check.sequence(at: start, in: bytes) == .cut {
            return start
        }
        return bytes.count
    }
}
