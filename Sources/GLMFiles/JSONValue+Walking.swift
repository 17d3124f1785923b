// Walking large arrays and objects without collecting them first.

extension JSONValue {
    /// Calls `body` with each element in order. Nothing happens unless this is an array.
    package func forEachElement<Failure: Error>(_ body: (JSONValue) throws(Failure) -> Void) throws(Failure) {
        guard kind == .array else { return }
        let end = storage.tape[index].end
        var next = index + 1
        while next < end {
            try body(JSONValue(storage: storage, index: next))
            next = storage.tape[next].next(after: next)
        }
    }

    /// Calls `body` with each key (a string value) and value in order. Nothing happens unless this is an object.
    package func forEachMember<Failure: Error>(
        _ body: (_ key: JSONValue, _ value: JSONValue) throws(Failure) -> Void
    ) throws(Failure) {
        guard kind == .object else { return }
        let end = storage.tape[index].end
        var next = index + 1
        while next < end {
            try body(JSONValue(storage: storage, index: next), JSONValue(storage: storage, index: next + 1))
            next = storage.tape[next + 1].next(after: next + 1)
        }
    }

    /// Appends a string's bytes after unescaping; false, with nothing appended, when this is no string.
    package func appendBytes(to bytes: inout [UInt8]) -> Bool {
        let token = storage.tape[index]
        switch token.kind {
        case .string:
            bytes += storage.bytes[token.start..<token.end]
        case .escapedString:
            guard let unescaped = self.bytes else { return false }
            bytes += unescaped.bytes
        default:
            return false
        }
        return true
    }
}
