/// What is wrong with a file, a request or an argument, in one line that says what to do about it.
///
/// Every boundary of the program throws this type: `file`, then the tensor, field or byte it is about, what was found,
/// what was expected, and the remedy. Programming errors are preconditions instead.
public struct InputError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Decides the exit code of a command (`EX_*` of sysexits.h) and later the HTTP status.
    public enum Kind: Sendable, Equatable {
        /// The caller asked for something that cannot be (exit code 64).
        case usage
        /// A file or a text has the wrong contents (65).
        case badInput
        /// A file that was named does not exist (66).
        case noSuchFile
        /// Reading or writing failed (74).
        case inputOutput
    }

    /// What went wrong, as far as an exit code tells it.
    public var kind: Kind
    /// Path of the file, or the name of the argument the text came from.
    public var file: String?
    /// The tensor, the configuration key or the byte offset.
    public var subject: String?
    /// What is there instead of what should be.
    public var found: String
    /// What would have been right.
    public var expected: String?
    /// What to try.
    public var remedy: String?

    /// The parts of the line, in the order in which `description` prints them.
    public init(
        _ kind: Kind, file: String? = nil, subject: String? = nil, found: String, expected: String? = nil,
        remedy: String? = nil
    ) {
        self.kind = kind
        self.file = file
        self.subject = subject
        self.found = found
        self.expected = expected
        self.remedy = remedy
    }

    /// `file: subject: found; expected …; remedy`, on one line. A part too long for a line loses its middle, so that a
    /// hostile name as long as a page hides neither the other parts nor the byte offset at the end of its own.
    public var description: String {
        let place = [file, subject].compactMap { $0 }.map { InputError.printable($0) + ": " }.joined()
        let wish = expected.map { "; expected \(InputError.printable($0))" } ?? ""
        let advice = remedy.map { "; \(InputError.printable($0))" } ?? ""
        return place + InputError.printable(found) + wish + advice
    }

    /// The most scalars of one part of the line that are printed.
    private static let longestPart = 800

    /// Control characters from hostile input must not reach a terminal or break the one line.
    private static func printable(_ text: String) -> String {
        let scalars = text.unicodeScalars
        var line = ""
        if scalars.count > longestPart {
            append(scalars.prefix(longestPart / 2), to: &line)
            line += " … "
            append(scalars.suffix(longestPart / 2), to: &line)
        } else {
            append(scalars[...], to: &line)
        }
        return line
    }

    private static func append(_ scalars: Substring.UnicodeScalarView, to line: inout String) {
        for scalar in scalars {
            if scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) {
                line += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }
}
