/// What a token looks like: the kinds of text between which acceptance differs.
package enum TokenClass: String, Sendable, CaseIterable {
    /// Letters behind a space, or at the beginning of a line.
    case wordStart = "word start"
    /// Letters that continue a word.
    case wordPart = "word part"
    /// At least one digit and no letter.
    case number
    /// Nothing but spaces and line breaks.
    case space
    /// ASCII signs without letters and digits.
    case punctuation
    /// Part of a character, or none at all: bytes and special tokens.
    case other

    /// - Parameter text: what the token adds to a text; empty for a special token that is hidden.
    package init(_ text: String) {
        let scalars = text.unicodeScalars
        let visible = scalars.filter { !$0.properties.isWhitespace }
        if scalars.isEmpty || scalars.contains("\u{FFFD}") {
            self = .other
        } else if visible.isEmpty {
            self = .space
        } else if visible.contains(where: { $0.properties.isAlphabetic }) {
            self = scalars.first?.properties.isWhitespace == true ? .wordStart : .wordPart
        } else if visible.contains(where: { $0.properties.numericType != nil }) {
            self = .number
        } else {
            self = visible.allSatisfy { $0.isASCII } ? .punctuation : .other
        }
    }
}
