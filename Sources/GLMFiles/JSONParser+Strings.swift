// Strings of a JSON text: control characters, escapes, UTF-8. Nothing is unescaped before it is asked for.

extension JSONParser {
    /// Checks the string whose opening quote is at the position, and moves past its closing quote.
    mutating func string() throws(JSONFailure) -> JSONToken {
        let start = position + 1
        position = start
        var kind = JSONToken.Kind.string
        while true {
            skipPlain()
            let byte = peek
            if byte == UInt8(ascii: "\"") {
                position += 1
                return JSONToken(kind, start: start, end: position - 1)
            } else if byte == UInt8(ascii: "\\") {
                kind = .escapedString
                try escape()
            } else if byte >= 0x80 {
                try multibyte()
            } else {
                guard position < count else { throw unexpected("the closing quote of a string") }
                throw unexpected("no control character in a string")
            }
        }
    }

    /// Moves to the next byte that is a quote, a backslash, a control character or not ASCII, or to the end.
    ///
    /// Eight bytes at a time: each term sets the top bit of the bytes it looks for, exactly up to the first such byte.
    @inline(__always)
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        while position + 8 <= count {
            let word = UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self).littleEndian
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5c)
            let control = (word &- (ones &* 0x20)) & ~word
            let found =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | control | word) & tops
            guard found == 0 else {
                position += found.trailingZeroBitCount >> 3
                return
            }
            position += 8
        }
        while position < count {
            let byte = base[position]
            guard byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5c else { return }
            position += 1
        }
    }

    /// Checks the escape that begins at the position.
    private mutating func escape() throws(JSONFailure) {
        let start = position
        position += 1
        switch peek {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            position += 1
            let unit = try fourHexDigits()
            guard unit & 0xf800 == 0xd800 else { return }
            var low: UInt32 = 0
            if unit < 0xdc00, peek == UInt8(ascii: "\\") {
                position += 1
                guard peek == UInt8(ascii: "u") else { throw loneSurrogate(at: start) }
                position += 1
                low = try fourHexDigits()
            }
            guard low & 0xfc00 == 0xdc00 else { throw loneSurrogate(at: start) }
        default:
            throw unexpected("one of \" \\ / b f n r t u after a backslash")
        }
    }

    private func loneSurrogate(at offset: Int) -> JSONFailure {
        JSONFailure(offset: offset, reason: .refused("half of a surrogate pair", expected: "both halves"))
    }

    private mutating func fourHexDigits() throws(JSONFailure) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = JSONText.hexDigit(peek) else { throw unexpected("four hexadecimal digits") }
            unit = unit << 4 | digit
            position += 1
        }
        return unit
    }

    /// Checks the run of multi-byte sequences at the position (Unicode 15, table 3-7).
    private mutating func multibyte() throws(JSONFailure) {
        repeat {
            let length = JSONText.sequenceLength(base + position, available: count - position)
            guard length > 0 else {
                throw JSONFailure(
                    offset: position, reason: .refused("bytes that are not UTF-8", expected: "UTF-8 text"))
            }
            position += length
        } while peek >= 0x80
    }
}

/// What a checked string says.
enum JSONText {
    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Length of the well-formed multi-byte sequence at `bytes`, 0 when there is none.
    static func sequenceLength(_ bytes: UnsafePointer<UInt8>, available: Int) -> Int {
        let first = bytes[0]
        let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
        guard first >= 0xc2, first <= 0xf4, length <= available else { return 0 }
        let second = bytes[1]
        let lowest: UInt8 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
        let highest: UInt8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
        guard second >= lowest, second <= highest else { return 0 }
        for index in 2..<max(2, length) where bytes[index] & 0xc0 != 0x80 {
            return 0
        }
        return length
    }

    /// The bytes that the checked slice stands for.
    static func unescape(_ slice: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(slice.count)
        var index = 0
        while index < slice.count {
            guard slice[index] == UInt8(ascii: "\\") else {
                result.append(slice[index])
                index += 1
                continue
            }
            let letter = slice[index + 1]
            index += 2
            if letter == UInt8(ascii: "u") {
                append(scalar(slice, &index), to: &result)
            } else {
                result.append(control(letter))
            }
        }
        return result
    }

    private static func control(_ letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0c
        case UInt8(ascii: "n"): 0x0a
        case UInt8(ascii: "r"): 0x0d
        case UInt8(ascii: "t"): 0x09
        default: letter
        }
    }

    /// The scalar of `XXXX` or `XXXX\uYYYY` at `index`, which moves past it.
    private static func scalar(_ slice: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> UInt32 {
        let unit = codeUnit(slice, index)
        index += 4
        guard unit & 0xf800 == 0xd800 else { return unit }
        let low = codeUnit(slice, index + 2)
        index += 6
        return 0x10000 + (unit & 0x3ff) << 10 + (low & 0x3ff)
    }

    private static func codeUnit(_ slice: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt32 {
        slice[index..<index + 4].reduce(0) { $0 << 4 | (hexDigit($1) ?? 0) }
    }

    private static func append(_ scalar: UInt32, to result: inout [UInt8]) {
        guard let scalar = Unicode.Scalar(scalar) else { return }
        result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}
