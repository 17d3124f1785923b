// The GLM pre-tokenizer, by hand. Knows bytes and classes of scalars; no vocabulary.

/// Cuts text into the pre-tokens of the one pattern that GLM models use.
///
/// The pattern's alternatives are tried in order at each place; some alternative matches everywhere, so the
/// pre-tokens tile the text:
///
/// 1. `(?i:'s|'t|'re|'ve|'m|'ll|'d)`: the long s (U+017F) folds to s, and nothing else outside ASCII matters
/// 2. `[^\r\n\p{L}\p{N}]?\p{L}+`
/// 3. `\p{N}{1,3}`
/// 4. ` ?[^\s\p{L}\p{N}]+[\r\n]*`
/// 5. `\s*[\r\n]+`: greedy, so it ends behind the last line break of the run of white space
/// 6. `\s+(?!\S)`: the run without its last scalar when text follows, the whole run at the end
/// 7. `\s+`
///
/// Every run is looked at no more than three times, so the whole is linear.
///
/// Source: the `Split` of the released `tokenizer.json`; semantics of tokenizers' regular expressions.
package struct PreTokenizer: Sendable {
    /// The pattern as `tokenizer.json` spells it.
    package static let pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
        + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

    private let classes = ScalarClasses()

    package init() {}

    /// Where the pre-token that starts at `start` ends.
    ///
    /// - Parameter text: valid UTF-8; its end is the end of the text to the look-ahead of alternative 6.
    /// - Precondition: `start < text.count`, and a scalar starts there.
    package func end(ofTokenAt start: Int, in text: Span<UInt8>) -> Int {
        let byte = text[start]
        if byte == UInt8(ascii: "'"), let end = endOfContraction(at: start, in: text) {
            return end
        }
        let (kind, next) = classes.scalar(at: start, in: text)
        switch kind {
        case .letter:
            return skip(.letter, from: next, in: text)
        case .number:
            return endOfNumber(from: next, in: text)
        case .other, .space:
            let follower = next < text.count ? classes.scalar(at: next, in: text) : nil
            if let follower, follower.class == .letter, !isLineBreak(byte) {
                return skip(.letter, from: follower.end, in: text)
            }
            if kind == .other {
                return endOfSymbols(from: next, in: text)
            }
            if let follower, follower.class == .other, byte == UInt8(ascii: " ") {
                return endOfSymbols(from: follower.end, in: text)
            }
            return endOfSpace(from: start, in: text)
        }
    }

    /// Alternative 1, for an apostrophe at `start`.
    private func endOfContraction(at start: Int, in text: Span<UInt8>) -> Int? {
        func lower(_ offset: Int) -> UInt8? {
            offset < text.count ? text[offset] | 0x20 : nil
        }
        switch lower(start + 1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return lower(start + 2) == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return lower(start + 2) == UInt8(ascii: "l") ? start + 3 : nil
        default:
            let isLongS = start + 2 < text.count && text[start + 1] == 0xc5 && text[start + 2] == 0xbf
            return isLongS ? start + 3 : nil
        }
    }

    /// Alternative 3, behind its first scalar.
    private func endOfNumber(from start: Int, in text: Span<UInt8>) -> Int {
        var end = start
        for _ in 0..<2 where end < text.count {
            let (kind, next) = classes.scalar(at: end, in: text)
            guard kind == .number else { break }
            end = next
        }
        return end
    }

    /// Alternative 4, behind its first symbol.
    private func endOfSymbols(from start: Int, in text: Span<UInt8>) -> Int {
        var end = skip(.other, from: start, in: text)
        while end < text.count, isLineBreak(text[end]) {
            end += 1
        }
        return end
    }

    /// Alternatives 5 to 7, for white space at `start`.
    private func endOfSpace(from start: Int, in text: Span<UInt8>) -> Int {
        var end = start
        var lastStart = start
        var lineEnd: Int?
        while end < text.count {
            let (kind, next) = classes.scalar(at: end, in: text)
            guard kind == .space else { break }
            lastStart = end
            if isLineBreak(text[end]) {
                lineEnd = next
            }
            end = next
        }
        if let lineEnd {
            return lineEnd
        }
        return end < text.count && lastStart > start ? lastStart : end
    }

    /// The end of the run of `kind` that goes on at `start`.
    private func skip(_ kind: ScalarClass, from start: Int, in text: Span<UInt8>) -> Int {
        var end = start
        while end < text.count {
            let (found, next) = classes.scalar(at: end, in: text)
            guard found == kind else { break }
            end = next
        }
        return end
    }

    private func isLineBreak(_ byte: UInt8) -> Bool {
        byte == 0x0a || byte == 0x0d
    }
}
