// Reading JSON with the place in hand, for messages. Knows no file format.

import GLMFiles

/// A JSON value together with its path from the root, so that every refusal names the field and the byte.
struct JSONField {
    let value: JSONValue
    /// `model.merges[3]`; empty for the root.
    let path: String

    init(_ value: JSONValue, path: String = "") {
        self.value = value
        self.path = path
    }

    /// A refusal of this field.
    func error(found: String, expected: String? = nil, remedy: String? = nil) -> InputError {
        let place = path.isEmpty ? "byte \(value.offset)" : "\(path) (byte \(value.offset))"
        return InputError(
            .badInput, file: value.source, subject: place, found: found, expected: expected, remedy: remedy)
    }

    /// A refusal of this field for its kind.
    func mistyped(expected: String) -> InputError {
        error(found: describe(), expected: expected)
    }

    /// What stands here, short enough for a message.
    func describe() -> String {
        switch value.kind {
        case .null: "null"
        case .bool: value.bool == true ? "true" : "false"
        case .number: "the number \((value.numberLiteral ?? "").prefix(40))"
        case .string: "the string \"\((value.string ?? "").prefix(120))\""
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The member, nil when it is absent or null.
    func optional(_ key: String) -> JSONField? {
        guard let member = value[key], !member.isNull else { return nil }
        return JSONField(member, path: path.isEmpty ? key : "\(path).\(key)")
    }

    /// The member; absent is a refusal, null is not.
    func required(_ key: String) throws(InputError) -> JSONField {
        guard value.kind == .object else { throw mistyped(expected: "an object with the key \"\(key)\"") }
        guard let member = value[key] else { throw error(found: "no \"\(key)\"", expected: "this key") }
        return JSONField(member, path: path.isEmpty ? key : "\(path).\(key)")
    }

    func string() throws(InputError) -> String {
        guard let string = value.string else { throw mistyped(expected: "a string") }
        return string
    }

    func bool() throws(InputError) -> Bool {
        guard let bool = value.bool else { throw mistyped(expected: "true or false") }
        return bool
    }

    func integer(in range: Range<Int>) throws(InputError) -> Int {
        guard let integer = value.integer, range.contains(integer) else {
            throw mistyped(expected: "an integer from \(range.lowerBound) to \(range.upperBound - 1)")
        }
        return integer
    }

    func elements() throws(InputError) -> [JSONField] {
        guard let elements = value.elements else { throw mistyped(expected: "an array") }
        return elements.enumerated().map { JSONField($1, path: "\(path)[\($0)]") }
    }

    func members() throws(InputError) -> [(key: ByteString, value: JSONField)] {
        guard let members = value.members else { throw mistyped(expected: "an object") }
        return members.map {
            ($0.key, JSONField($0.value, path: path.isEmpty ? "\($0.key)" : "\(path).\($0.key)"))
        }
    }

    /// Refuses any member that is not in `known`: what we do not know might change the meaning of the rest.
    func refuseMembers(besides known: [String]) throws(InputError) {
        for (key, member) in try members() where !known.contains(key.description) {
            throw member.error(found: "the unknown key \"\(key)\"", expected: known.joined(separator: ", "))
        }
    }
}
