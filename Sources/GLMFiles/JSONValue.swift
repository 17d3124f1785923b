// Values of a parsed JSON text, converted when they are asked for.

/// A light view of one value; it keeps its document alive.
///
/// Every accessor answers nil when the value is of another kind, so that callers say what they expected.
package struct JSONValue: Sendable {
    package enum Kind: String, Sendable {
        case null, bool, number, string, array, object
    }

    let storage: JSONStorage
    let index: Int

    private var token: JSONToken { storage.tape[index] }

    package var kind: Kind {
        switch token.kind {
        case .null: .null
        case .falseLiteral, .trueLiteral: .bool
        case .number: .number
        case .string, .escapedString: .string
        case .array: .array
        case .object: .object
        }
    }

    /// Names the text this value was read from.
    package var source: String { storage.source }

    /// Offset in the source of the value's first byte; of a string, its opening quote.
    package var offset: Int {
        token.start - (kind == .string ? 1 : 0)
    }

    package var isNull: Bool { token.kind == .null }

    package var bool: Bool? {
        switch token.kind {
        case .trueLiteral: true
        case .falseLiteral: false
        default: nil
        }
    }

    /// An exact integer: nil with a fraction or an exponent (`1.0`, `1e2`), and out of `Int`'s range.
    package var integer: Int? {
        guard token.kind == .number else { return nil }
        return withSlice { digits in
            let negative = digits.first == UInt8(ascii: "-")
            var value = 0
            for byte in digits.dropFirst(negative ? 1 : 0) {
                guard byte &- UInt8(ascii: "0") < 10 else { return nil }
                let digit = Int(byte - UInt8(ascii: "0"))
                let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
                let (next, carry) =
                    negative
                    ? tenfold.subtractingReportingOverflow(digit) : tenfold.addingReportingOverflow(digit)
                guard !overflow, !carry else { return nil }
                value = next
            }
            return value
        }
    }

    /// The nearest Double of any number; nil beyond the finite range (`1e999`).
    package var double: Double? {
        guard let literal = numberLiteral, let value = Double(literal), value.isFinite else { return nil }
        return value
    }

    /// A number as it is written.
    package var numberLiteral: String? {
        guard token.kind == .number else { return nil }
        return withSlice { String(decoding: $0, as: UTF8.self) }
    }

    package var string: String? {
        switch token.kind {
        case .string: withSlice { String(decoding: $0, as: UTF8.self) }
        case .escapedString: withSlice { String(decoding: JSONText.unescape($0), as: UTF8.self) }
        default: nil
        }
    }

    /// A string's bytes after unescaping.
    package var bytes: ByteString? {
        switch token.kind {
        case .string: withSlice { ByteString(bytes: $0) }
        case .escapedString: ByteString(bytes: withSlice(JSONText.unescape))
        default: nil
        }
    }

    /// Number of elements or members. Linear in the number of them.
    package var count: Int? {
        guard token.isContainer else { return nil }
        let isObject = token.kind == .object
        var total = 0
        var next = index + 1
        while next < token.end {
            next = step(over: isObject ? next + 1 : next)
            total += 1
        }
        return total
    }

    package var elements: [JSONValue]? {
        guard token.kind == .array else { return nil }
        var result: [JSONValue] = []
        var next = index + 1
        while next < token.end {
            result.append(JSONValue(storage: storage, index: next))
            next = step(over: next)
        }
        return result
    }

    /// Members in the order of the source. No two keys are equal.
    package var members: [(key: ByteString, value: JSONValue)]? {
        guard token.kind == .object else { return nil }
        var result: [(key: ByteString, value: JSONValue)] = []
        visitMembers { key, value in result.append((key, value)) }
        return result
    }

    /// Calls `body` with each member in the order of the source until it throws; not at all for other kinds.
    ///
    /// Unlike `members` it makes nothing that `body` does not keep: for objects whose size a file decides.
    package func visitMembers<Failure: Error>(
        _ body: (ByteString, JSONValue) throws(Failure) -> Void
    ) throws(Failure) {
        guard token.kind == .object else { return }
        var next = index + 1
        while next < token.end {
            let key = JSONValue(storage: storage, index: next).bytes ?? ""
            try body(key, JSONValue(storage: storage, index: next + 1))
            next = step(over: next + 1)
        }
    }

    /// The member with exactly these key bytes. Linear in the number of members.
    package subscript(_ key: String) -> JSONValue? {
        guard token.kind == .object else { return nil }
        var next = index + 1
        while next < token.end {
            if JSONValue(storage: storage, index: next).isText(key) {
                return JSONValue(storage: storage, index: next + 1)
            }
            next = step(over: next + 1)
        }
        return nil
    }

    private func isText(_ text: String) -> Bool {
        token.kind == .string
            ? withSlice { $0.elementsEqual(text.utf8) } : bytes == ByteString(text)
    }

    private func step(over index: Int) -> Int {
        storage.tape[index].next(after: index)
    }

    private func withSlice<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        storage.bytes.withUnsafeBufferPointer {
            body(UnsafeBufferPointer(rebasing: $0[token.start..<token.end]))
        }
    }
}
