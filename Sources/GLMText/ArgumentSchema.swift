// What a tool's JSON schema says of one argument. Knows no text.

import GLMFiles

/// The types of JSON values, as schemas name them.
enum SchemaType: String, Sendable, CaseIterable {
    case string, integer, number, boolean, null, object, array

    /// The type of a value; a number without fraction and exponent is an integer.
    init(of value: JSON) {
        switch value {
        case .null: self = .null
        case .bool: self = .boolean
        case .integer: self = .integer
        case .number(let literal):
            self = literal.utf8.contains { ".eE".utf8.contains($0) } ? .number : .integer
        case .string: self = .string
        case .array: self = .array
        case .object: self = .object
        }
    }
}

/// A JSON schema for one value, or several that hold together.
indirect enum ArgumentSchema: Sendable {
    case json(JSONValue)
    case anyOf([ArgumentSchema])
    case allOf([ArgumentSchema])
}

/// Answers questions about the schemas of one tool.
///
/// Within one question each reference is followed once, so that schemas which refer to each other many times
/// take no longer than their text; where a reference leads back to itself it says nothing.
struct SchemaReader: Sendable {
    /// References one question follows, which bounds the depth too; those beyond say nothing.
    static let referenceLimit = 1000

    /// Where local references point into.
    let root: JSONValue?

    /// The types a value may have; nil when the schema does not say (no type, a cycle, a reference to
    /// nowhere).
    func types(_ schema: ArgumentSchema) -> Set<SchemaType>? {
        var known: [String: Set<SchemaType>?] = [:]
        return types(schema, &known)
    }

    /// Whether the schema allows `value` by its type, and by `enum` and `const` exactly. Other keywords are
    /// not looked at.
    func accepts(_ value: JSON, _ schema: ArgumentSchema) -> Bool {
        var known: [String: Bool] = [:]
        return accepts(value, schema, &known)
    }

    /// The schema a local reference leads to: `#`, `#/a/b`, with `~1` for `/` and `~0` for `~`.
    func resolve(_ reference: String) -> JSONValue? {
        guard reference.hasPrefix("#") else { return nil }
        var place = root
        for step in PythonText.split(String(reference.dropFirst()), "/").dropFirst() {
            let slashed = PythonText.split(step, "~1").joined(separator: "/")
            let key = PythonText.split(slashed, "~0").joined(separator: "~")
            if let index = Int(key), let elements = place?.elements, elements.indices.contains(index) {
                place = elements[index]
            } else {
                place = place?[key]
            }
        }
        return place
    }

    private func types(
        _ schema: ArgumentSchema, _ known: inout [String: Set<SchemaType>?]
    ) -> Set<SchemaType>? {
        switch schema {
        case .json(let value): return types(value, &known)
        case .anyOf(let schemas): return union(schemas.map { types($0, &known) })
        case .allOf(let schemas): return intersection(schemas.map { types($0, &known) })
        }
    }

    /// Each keyword narrows the types; one that says nothing narrows nothing.
    private func types(
        _ schema: JSONValue, _ known: inout [String: Set<SchemaType>?]
    ) -> Set<SchemaType>? {
        var found: [Set<SchemaType>?] = []
        if let reference = schema["$ref"]?.string {
            if known[reference] == nil, known.count < SchemaReader.referenceLimit {
                guard let target = resolve(reference) else { return nil }
                known.updateValue(nil, forKey: reference)
                known.updateValue(types(target, &known), forKey: reference)
            }
            found.append(known[reference] ?? nil)
        }
        if let type = schema["type"] {
            let names = (type.elements ?? [type]).map { $0.string.flatMap(SchemaType.init(rawValue:)) }
            // A type of another name says nothing.
            found.append(names.contains(nil) ? nil : Set(names.compactMap { $0 }))
        }
        if let values = schema["enum"]?.elements ?? schema["const"].map({ [$0] }) {
            found.append(Set(values.map { SchemaType(of: JSON($0)) }))
        }
        for key in ["anyOf", "oneOf"] {
            if let branches = schema[key]?.elements {
                found.append(union(branches.map { types($0, &known) }))
            }
        }
        if let parts = schema["allOf"]?.elements {
            found.append(intersection(parts.map { types($0, &known) }))
        }
        if let types = intersection(found) {
            return types
        }
        return schema["properties"] != nil ? [.object] : schema["items"] != nil ? [.array] : nil
    }

    private func union(_ sets: [Set<SchemaType>?]) -> Set<SchemaType>? {
        var all: Set<SchemaType> = []
        for set in sets {
            guard let set else { return nil }
            all.formUnion(set)
        }
        return all
    }

    /// A number allows what an integer is, so the two meet in integer.
    private func intersection(_ sets: [Set<SchemaType>?]) -> Set<SchemaType>? {
        var result: Set<SchemaType>?
        for set in sets.compactMap({ $0 }) {
            guard let before = result else {
                result = set
                continue
            }
            result = before.intersection(set)
            let integers = { (types: Set<SchemaType>) in types.contains(.integer) || types.contains(.number) }
            if integers(before), integers(set), result?.contains(.number) == false {
                result?.insert(.integer)
            }
        }
        return result
    }

    private func accepts(
        _ value: JSON, _ schema: ArgumentSchema, _ known: inout [String: Bool]
    ) -> Bool {
        switch schema {
        case .json(let schema): accepts(value, schema, &known)
        case .anyOf(let schemas): schemas.contains { accepts(value, $0, &known) }
        case .allOf(let schemas): schemas.allSatisfy { accepts(value, $0, &known) }
        }
    }

    private func accepts(_ value: JSON, _ schema: JSONValue, _ known: inout [String: Bool]) -> Bool {
        if let reference = schema["$ref"]?.string {
            if known[reference] == nil, known.count < SchemaReader.referenceLimit,
                let target = resolve(reference)
            {
                known[reference] = true
                known[reference] = accepts(value, target, &known)
            }
            if known[reference] == false { return false }
        }
        if let type = schema["type"] {
            let names = (type.elements ?? [type]).compactMap { $0.string.flatMap(SchemaType.init(rawValue:)) }
            let mine = SchemaType(of: value)
            guard names.contains(mine) || mine == .integer && names.contains(.number) else { return false }
        }
        if let values = schema["enum"]?.elements, !values.contains(where: { JSON($0) == value }) {
            return false
        }
        if let constant = schema["const"], JSON(constant) != value {
            return false
        }
        for key in ["anyOf", "oneOf"] {
            if let branches = schema[key]?.elements,
                !branches.contains(where: { accepts(value, $0, &known) })
            {
                return false
            }
        }
        return schema["allOf"]?.elements?.allSatisfy { accepts(value, $0, &known) } ?? true
    }
}
