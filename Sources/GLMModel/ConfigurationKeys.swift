package import GLMFiles

/// Typed reading of the keys of one JSON object, with errors that name file and key.
package struct ConfigurationKeys {
    private let object: JSONValue
    private let prefix: String

    package init(_ object: JSONValue, prefix: String = "") {
        self.object = object
        self.prefix = prefix
    }

    /// The value under `key`; nil when it is missing or null.
    package func value(_ key: String) -> JSONValue? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    package func isPresent(_ key: String) -> Bool { value(key) != nil }

    /// The keys of the object under `key`.
    package func object(_ key: String) -> ConfigurationKeys? {
        guard let value = value(key), value.kind == .object else { return nil }
        return ConfigurationKeys(value, prefix: prefix + key + ".")
    }

    package func error(_ key: String, found: String, expected: String) -> InputError {
        InputError(
            .badInput, file: object.source, subject: prefix + key, found: "found " + found, expected: expected
        )
    }

    /// How a value reads in a message: numbers and short strings as they stand, the rest by kind.
    package func describe(_ key: String) -> String {
        guard let value = object[key] else { return "nothing" }
        if let literal = value.numberLiteral { return String(literal.prefix(40)) }
        if let text = value.string { return "\"\(text.prefix(40))\"" }
        if let flag = value.bool { return "\(flag)" }
        return value.isNull ? "null" : "a JSON \(value.kind)"
    }

    /// An exact integer within bounds.
    package func count(
        _ key: String, atLeast low: Int = 1, atMost high: Int = 1 << 24, default absent: Int? = nil
    ) throws(InputError) -> Int {
        guard let value = value(key) else {
            if let absent { return absent }
            throw error(key, found: describe(key), expected: "an integer")
        }
        guard let number = value.integer, number >= low, number <= high else {
            throw error(key, found: describe(key), expected: "an integer from \(low) to \(high)")
        }
        return number
    }

    /// A finite number above 0 and below a bound.
    package func positive(_ key: String, below bound: Double) throws(InputError) -> Float {
        guard let number = value(key)?.double, number > 0, number < bound, Float(number) > 0 else {
            throw error(key, found: describe(key), expected: "a number above 0 and below \(bound)")
        }
        return Float(number)
    }

    package func flag(_ key: String, default absent: Bool? = nil) throws(InputError) -> Bool {
        guard let value = value(key) else {
            if let absent { return absent }
            throw error(key, found: describe(key), expected: "true or false")
        }
        guard let flag = value.bool else { throw error(key, found: describe(key), expected: "true or false") }
        return flag
    }

    /// A list of strings; nil when the key is missing or null.
    package func strings(_ key: String) throws(InputError) -> [String]? {
        guard let value = value(key) else { return nil }
        guard let elements = value.elements else {
            throw error(key, found: describe(key), expected: "a list")
        }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else {
                throw error(key, found: "a JSON \(element.kind) in the list", expected: "strings")
            }
            texts.append(text)
        }
        return texts
    }

    /// One token id or a list of them; empty when the key is missing or null.
    package func tokens(_ key: String) throws(InputError) -> [Int32] {
        guard let value = value(key) else { return [] }
        var ids: [Int32] = []
        for element in value.elements ?? [value] {
            guard let id = element.integer, (0..<(1 << 26)).contains(id) else {
                throw error(key, found: describe(key), expected: "token ids from 0 to \(1 << 26 - 1)")
            }
            ids.append(Int32(id))
        }
        return ids
    }

    /// A key that must be there with one of the given texts.
    package func require(_ key: String, oneOf texts: [String]) throws(InputError) {
        guard let text = value(key)?.string, texts.contains(text) else {
            throw error(
                key, found: describe(key), expected: texts.map { "\"\($0)\"" }.joined(separator: " or "))
        }
    }

    /// A key that may be missing or null, and otherwise has this text.
    package func permit(_ key: String, only text: String, orAbsentOrNull: Bool = true) throws(InputError) {
        guard isPresent(key), value(key)?.string != text else { return }
        throw error(key, found: describe(key), expected: "\"\(text)\", the only one supported")
    }

    /// A key that may be missing or null, and otherwise has this truth value.
    package func permit(_ key: String, only flag: Bool) throws(InputError) {
        guard isPresent(key), value(key)?.bool != flag else { return }
        throw error(key, found: describe(key), expected: "\(flag), the only value supported")
    }

    /// A key that may be missing or null, and otherwise has this value; nil permits no value at all.
    package func permit(_ key: String, only number: Int?) throws(InputError) {
        guard isPresent(key), number == nil || value(key)?.double != number.map(Double.init) else { return }
        throw error(
            key, found: describe(key),
            expected: number.map { "\($0), the only value supported" } ?? "no value")
    }

    /// A key that may be missing, and otherwise repeats what other keys say.
    package func equal(_ key: String, to number: Int, because: String) throws(InputError) {
        guard isPresent(key), value(key)?.integer != number else { return }
        throw error(key, found: describe(key), expected: "\(number) (\(because))")
    }
}
