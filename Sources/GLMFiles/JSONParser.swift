// Bytes to tape: the grammar of JSON. Knows no values; strings are checked in JSONParser+Strings.swift.

/// One pass over a text. Every read is bounded by `count`, which `peek` checks.
struct JSONParser {
    let base: UnsafePointer<UInt8>
    let count: Int
    /// The next byte to look at.
    var position = 0
    private let entryLimit: Int
    private var tape: [JSONToken] = []
    private var duplicates = DuplicateKeyCheck()

    /// The tape of a whole text.
    static func tape(of bytes: UnsafeBufferPointer<UInt8>, entryLimit: Int) throws(JSONFailure) -> [JSONToken]
    {
        guard let base = bytes.baseAddress, !bytes.isEmpty else {
            throw JSONFailure(offset: 0, reason: .refused("an empty text", expected: "a JSON value"))
        }
        guard bytes.count < JSONToken.limit else {
            throw JSONFailure(
                offset: 0, reason: .refused("a text of 1 GiB or more", expected: "a smaller JSON text"))
        }
        var parser = JSONParser(base: base, count: bytes.count, entryLimit: entryLimit)
        try parser.wholeText()
        return parser.tape
    }

    private init(base: UnsafePointer<UInt8>, count: Int, entryLimit: Int) {
        self.entryLimit = entryLimit
        self.base = base
        self.count = count
        tape.reserveCapacity(count / 12 + 16)
    }

    private mutating func wholeText() throws(JSONFailure) {
        if count >= 3, base[0] == 0xef, base[1] == 0xbb, base[2] == 0xbf {
            throw JSONFailure(offset: 0, reason: .refused("a byte order mark", expected: "UTF-8 without one"))
        }
        skipSpace()
        try value(depth: 0)
        skipSpace()
        guard position == count else {
            throw unexpected("nothing after the value")
        }
    }

    /// The byte at the position, 0 at the end. A 0 byte is valid nowhere, so the two need not be told apart here.
    @inline(__always)
    var peek: UInt8 { position < count ? base[position] : 0 }

    func unexpected(_ expected: StaticString) -> JSONFailure {
        JSONFailure(offset: position, reason: .unexpected(expected: expected))
    }

    @inline(__always)
    private mutating func skipSpace() {
        while position < count {
            let byte = base[position]
            guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return }
            position += 1
        }
    }

    @inline(__always)
    private mutating func append(_ token: JSONToken) throws(JSONFailure) {
        guard tape.count < entryLimit else {
            throw JSONFailure(offset: position, reason: .tooManyEntries(limit: entryLimit))
        }
        tape.append(token)
    }

    /// - Parameter depth: number of containers around this value.
    private mutating func value(depth: Int) throws(JSONFailure) {
        switch peek {
        case UInt8(ascii: "\""): try append(try string())
        case UInt8(ascii: "{"): try object(depth: depth + 1)
        case UInt8(ascii: "["): try array(depth: depth + 1)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
        case UInt8(ascii: "t"): try literal("true", .trueLiteral)
        case UInt8(ascii: "f"): try literal("false", .falseLiteral)
        case UInt8(ascii: "n"): try literal("null", .null)
        default: throw unexpected("a JSON value")
        }
    }

    /// Begins a container: its entry's index. The position moves past the bracket and any space.
    private mutating func open(_ kind: JSONToken.Kind, depth: Int) throws(JSONFailure) -> Int {
        guard depth <= JSONDocument.maximumDepth else {
            throw JSONFailure(
                offset: position,
                reason: .refused("a container inside 128 others", expected: "at most 128 levels"))
        }
        try append(JSONToken(kind, start: position, end: 0))
        position += 1
        skipSpace()
        return tape.count - 1
    }

    private mutating func close(_ index: Int, _ kind: JSONToken.Kind) {
        position += 1
        tape[index] = JSONToken(kind, start: tape[index].start, end: tape.count)
    }

    private mutating func array(depth: Int) throws(JSONFailure) {
        let index = try open(.array, depth: depth)
        if peek != UInt8(ascii: "]") {
            while true {
                try value(depth: depth)
                skipSpace()
                if peek == UInt8(ascii: "]") { break }
                guard peek == UInt8(ascii: ",") else { throw unexpected("',' or ']'") }
                position += 1
                skipSpace()
            }
        }
        close(index, .array)
    }

    private mutating func object(depth: Int) throws(JSONFailure) {
        let index = try open(.object, depth: depth)
        var members = 0
        if peek != UInt8(ascii: "}") {
            while true {
                guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
                try append(try string())
                members += 1
                skipSpace()
                guard peek == UInt8(ascii: ":") else { throw unexpected("':'") }
                position += 1
                skipSpace()
                try value(depth: depth)
                skipSpace()
                if peek == UInt8(ascii: "}") { break }
                guard peek == UInt8(ascii: ",") else { throw unexpected("',' or '}'") }
                position += 1
                skipSpace()
            }
        }
        close(index, .object)
        if members > 1 { try duplicates.check(object: index, tape: tape, base: base) }
    }

    private mutating func literal(_ word: StaticString, _ kind: JSONToken.Kind) throws(JSONFailure) {
        let start = position
        for index in 0..<word.utf8CodeUnitCount {
            guard peek == word.utf8Start[index] else { throw unexpected("true, false or null") }
            position += 1
        }
        try append(JSONToken(kind, start: start, end: position))
    }

    private mutating func number() throws(JSONFailure) {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        if peek == UInt8(ascii: "0") {
            position += 1
            guard !isDigit(peek) else { throw unexpected("no digit after a leading 0") }
        } else {
            try digits()
        }
        if peek == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if peek | 0x20 == UInt8(ascii: "e") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        try append(JSONToken(.number, start: start, end: position))
    }

    private mutating func digits() throws(JSONFailure) {
        guard isDigit(peek) else { throw unexpected("a digit") }
        repeat { position += 1 } while isDigit(peek)
    }

    @inline(__always)
    private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
}
