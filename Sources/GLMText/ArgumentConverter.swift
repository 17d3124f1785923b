// The text of an argument as a JSON value, by the tool's schema. Knows no markup.

import GLMFiles

/// Turns what stands between `<arg_value>` and `</arg_value>` into JSON.
///
/// Source: the parsers `glm47` of SGLang 0.5.23 and vLLM 0.33.0.
struct ArgumentConverter: Sendable {
    private let reader: SchemaReader
    /// `properties` objects that always hold.
    private var properties: [JSONValue] = []
    /// Alternatives at the root (`oneOf`, `anyOf`), chosen between by what the arguments say.
    private var choices: [[JSONValue]] = []

    /// - Parameter parameters: the schema of all arguments, nil when the tool has none.
    init(_ parameters: JSONValue?) {
        reader = SchemaReader(root: parameters)
        if let parameters {
            var followed: Set<String> = []
            collect(parameters, &followed)
        }
    }

    /// Whether an argument's schema may depend on arguments that come later.
    var dependsOnSiblings: Bool { !choices.isEmpty }

    /// Whether the argument is a string whatever its text says.
    ///
    /// - Precondition: not `dependsOnSiblings`.
    func isString(_ key: String) -> Bool {
        schema(of: key, among: []).flatMap { reader.types($0) } == [.string]
    }

    /// The value of one argument.
    ///
    /// - Parameter arguments: all arguments of the call as texts, to choose between alternatives at the root.
    func value(of key: String, _ text: String, among arguments: [(key: String, text: String)]) -> JSON {
        guard let schema = schema(of: key, among: arguments) else {
            return JSONText.value(text) ?? .string(text)
        }
        guard let types = reader.types(schema) else { return parsed(text) ?? .string(text) }
        guard types.contains(.string) else { return number(parsed(text) ?? .string(text), types) }
        guard types.count > 1, let value = JSONText.value(text), reader.accepts(value, schema) else {
            return .string(text)
        }
        return value
    }

    /// JSON; JSON that was escaped once more than it should be; a Python literal.
    private func parsed(_ text: String) -> JSON? {
        if let value = JSONText.value(text) {
            return value
        }
        if case .string(let unescaped) = JSONText.value("\"\(text)\""), let value = JSONText.value(unescaped)
        {
            return value
        }
        return PythonLiteral.value(of: text)
    }

    /// A number that was written as a string, where the schema wants a number and no string.
    private func number(_ value: JSON, _ types: Set<SchemaType>) -> JSON {
        guard case .string(let text) = value, let number = JSONText.value(text) else { return value }
        switch SchemaType(of: number) {
        case .integer where types.contains(.integer) || types.contains(.number): return number
        case .number where types.contains(.number): return number
        default: return value
        }
    }

    /// All that the schemas say of `key`, nil when none mentions it.
    private func schema(of key: String, among arguments: [(key: String, text: String)]) -> ArgumentSchema? {
        var all = properties.compactMap { $0[key] }.map { ArgumentSchema.json($0) }
        for branches in choices {
            let fitting = branches.filter { fits($0, arguments) }
            let schemas = (fitting.isEmpty ? branches : fitting).compactMap { branch in
                let properties = ArgumentConverter(branch: branch, reader).properties.compactMap { $0[key] }
                return properties.isEmpty ? nil : ArgumentSchema.allOf(properties.map { .json($0) })
            }
            if !schemas.isEmpty {
                all.append(.anyOf(schemas))
            }
        }
        return all.isEmpty ? nil : .allOf(all)
    }

    /// Whether no `const` or `enum` of the alternative contradicts an argument.
    private func fits(_ branch: JSONValue, _ arguments: [(key: String, text: String)]) -> Bool {
        let properties = ArgumentConverter(branch: branch, reader).properties
        return arguments.allSatisfy { argument in
            properties.compactMap { $0[argument.key] }.allSatisfy { schema in
                guard let allowed = schema["const"].map({ [$0] }) ?? schema["enum"]?.elements else {
                    return true
                }
                let readings = [.string(argument.text), JSONText.value(argument.text)].compactMap { $0 }
                return allowed.contains { readings.contains(JSON($0)) }
            }
        }
    }

    /// The properties of one alternative alone.
    private init(branch: JSONValue, _ reader: SchemaReader) {
        self.reader = reader
        var followed: Set<String> = []
        collect(branch, &followed)
    }

    /// Follows references and `allOf` to every `properties` and every set of alternatives; each reference once.
    private mutating func collect(_ schema: JSONValue, _ followed: inout Set<String>) {
        if let reference = schema["$ref"]?.string, followed.count < SchemaReader.referenceLimit,
            followed.insert(reference).inserted, let target = reader.resolve(reference)
        {
            collect(target, &followed)
        }
        if let properties = schema["properties"], properties.kind == .object {
            self.properties.append(properties)
        }
        for part in schema["allOf"]?.elements ?? [] {
            collect(part, &followed)
        }
        for key in ["oneOf", "anyOf"] {
            if let branches = schema[key]?.elements, !branches.isEmpty {
                choices.append(branches)
            }
        }
    }
}
