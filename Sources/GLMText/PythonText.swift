// What Python's str and json do where the chat template relies on them. Knows no template.

package import GLMFiles

/// Text operations as the template's Python does them: by scalars, never by Swift's characters (in which
/// `"\r\n"` and `">\u{301}"` are one).
package enum PythonText {
    /// `str.strip()`.
    package static func stripped(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let start = scalars.firstIndex(where: { !isSpace($0) }),
            let end = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(scalars[start...end])
    }

    /// `str.isspace()` of one character. Not the tokenizer's `\s`: U+001C...U+001F count here.
    ///
    /// Source: CPython, `_PyUnicode_IsWhitespace`.
    package static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0d, 0x1c...0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f,
            0x3000:
            true
        default:
            false
        }
    }

    /// `text.split(separator)`: at least one piece, empty ones included.
    ///
    /// - Precondition: `separator` is not empty.
    package static func split(_ text: String, _ separator: String) -> [String] {
        precondition(!separator.isEmpty, "an empty separator")
        let (bytes, mark) = (Array(text.utf8), Array(separator.utf8))
        var pieces: [String] = []
        var start = 0
        var place = 0
        while place + mark.count <= bytes.count {
            if bytes[place] == mark[0], bytes[place..<place + mark.count].elementsEqual(mark) {
                pieces.append(String(decoding: bytes[start..<place], as: UTF8.self))
                place += mark.count
                start = place
            } else {
                place += 1
            }
        }
        pieces.append(String(decoding: bytes[start...], as: UTF8.self))
        return pieces
    }

    /// `text.lstrip("\n")`.
    package static func withoutLeadingNewlines(_ text: String) -> String {
        String(text.unicodeScalars.drop { $0 == "\n" })
    }

    /// `text.rstrip("\n")`.
    package static func withoutTrailingNewlines(_ text: String) -> String {
        let end = text.unicodeScalars.lastIndex { $0 != "\n" }
        return end.map { String(text.unicodeScalars[...$0]) } ?? ""
    }
}

/// `json.dumps(json.loads(text), ensure_ascii=False)`: `", "` and `": "` between the parts, keys and order as
/// given, numbers as Python prints them after reading.
package enum PythonJSON {
    /// Writes a value that was read.
    package static func text(_ value: JSONValue) -> String {
        converted(value).text(.spaced)
    }

    private static func converted(_ value: JSONValue) -> JSON {
        if let literal = value.numberLiteral {
            return .number(number(literal))
        }
        if let elements = value.elements {
            return .array(elements.map(converted))
        }
        if let members = value.members {
            return .object(members.map { JSON.Member($0.key.description, converted($0.value)) })
        }
        return JSON(value)
    }

    /// A number's literal as Python prints it: integers of any size digit by digit, others as `repr(float)`.
    ///
    /// Beyond the range of a Double Python reads infinity and prints `Infinity`; so does this.
    package static func number(_ literal: String) -> String {
        guard literal.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") })
        else {
            return literal == "-0" ? "0" : literal
        }
        guard let value = Double(literal) else { return literal }
        return representation(value)
    }

    /// `repr(float)`: the shortest digits that read back, fixed from 1e-4 up to 1e16 and with an exponent
    /// outside.
    package static func representation(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity" }
        let sign = value.sign == .minus ? "-" : ""
        guard value != 0 else { return sign + "0.0" }
        let (digits, point) = shortestDigits(value.magnitude)
        if (-3...16).contains(point) {
            if point <= 0 {
                return sign + "0." + zeros(-point) + digits
            }
            if digits.utf8.count <= point {
                return sign + digits + zeros(point - digits.utf8.count) + ".0"
            }
            return sign + digits.prefix(point) + "." + digits.dropFirst(point)
        }
        let exponent = point - 1
        let size = String(exponent.magnitude)
        let mantissa = digits.prefix(1) + (digits.utf8.count > 1 ? "." : "") + digits.dropFirst()
        return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (size.utf8.count < 2 ? "0" : "") + size
    }

    /// The significant digits, without zeros at either end, and where the point stands: 0.d₁d₂… × 10^point.
    ///
    /// Swift's description has the same shortest digits as Python's, in another layout.
    private static func shortestDigits(_ value: Double) -> (digits: String, point: Int) {
        let halves = value.description.split(separator: "e")
        let exponent = halves.count > 1 ? Int(halves[1]) ?? 0 : 0
        let parts = halves[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = parts[0].drop { $0 == "0" }
        let fraction = parts.count > 1 ? parts[1] : ""
        let all = whole + fraction
        let leading = all.prefix { $0 == "0" }.count
        var digits = String(all.dropFirst(leading))
        while digits.last == "0" {
            digits.removeLast()
        }
        return (digits, whole.count - leading + exponent)
    }

    private static func zeros(_ count: Int) -> String {
        String(repeating: "0", count: count)
    }
}
