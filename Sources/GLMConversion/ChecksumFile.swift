// The checksums of a checkpoint as a text beside it. Knows no weights.

package import GLMFiles

/// `{"algorithm": "xxh64", "files": {name: digits}, "tensors": {name: digits}}`.
package enum ChecksumFile {
    /// Longest text in bytes.
    private static let limit = 100_000_000
    private static let algorithm = "xxh64"

    /// Writes the checksums of a report, whole or not at all.
    package static func write(_ report: VerificationReport, to path: String) throws(InputError) {
        let files = report.files.map { JSON.Member($0.name, .string(XXH64.text($0.checksum))) }
        let tensors = report.tensors.map {
            JSON.Member($0.name.description, .string(XXH64.text($0.checksum)))
        }
        let document: JSON = [
            "algorithm": .string(algorithm), "files": .object(files), "tensors": .object(tensors),
        ]
        try AtomicFile.write(document.text(.indented) + "\n", to: path)
    }

    /// What a report disagrees with: one line each.
    ///
    /// - Throws: `noSuchFile`, or `badInput` for a text that is not of this form.
    package static func differences(
        of report: VerificationReport, from path: String
    ) throws(InputError) -> [String] {
        let root = try JSONDocument.load(path: path, limit: limit).root
        guard root["algorithm"]?.string == algorithm else {
            throw InputError(
                .badInput, file: path, subject: "algorithm",
                found: root["algorithm"]?.string.map { "\"\($0)\"" } ?? "nothing",
                expected: "\"\(algorithm)\"")
        }
        let files = report.files.map { (ByteString($0.name), $0.checksum) }
        let tensors = report.tensors.map { ($0.name, $0.checksum) }
        return try compare(files, root, "files", "file", path)
            + compare(tensors, root, "tensors", "tensor", path)
    }

    private static func compare(
        _ found: [(ByteString, UInt64)], _ root: JSONValue, _ member: String, _ kind: String, _ path: String
    ) throws(InputError) -> [String] {
        guard let list = root[member], list.kind == .object else {
            throw InputError(
                .badInput, file: path, subject: member, found: root[member].map { "\($0.kind)" } ?? "nothing",
                expected: "an object from names to checksums")
        }
        var expected: [ByteString: UInt64] = [:]
        var order: [ByteString] = []
        for (key, value) in list.members ?? [] {
            guard let text = value.string, text.utf8.count == 16, let sum = UInt64(text, radix: 16) else {
                throw InputError(
                    .badInput, file: path, subject: "\(member): \(key) (byte \(value.offset))",
                    found: value.string.map { "\"\($0)\"" } ?? "\(value.kind)",
                    expected: "16 hexadecimal digits")
            }
            expected[key] = sum
            order.append(key)
        }
        var lines: [String] = []
        for (name, checksum) in found {
            guard let wanted = expected.removeValue(forKey: name) else {
                lines.append("\(kind) \(name): without a checksum in \(path)")
                continue
            }
            guard wanted != checksum else { continue }
            lines.append(
                "\(kind) \(name): checksum \(XXH64.text(checksum)), \(XXH64.text(wanted)) in \(path)")
        }
        return lines + order.filter { expected[$0] != nil }.map { "\(kind) \($0): in \(path) only" }
    }
}
