// model.safetensors.index.json: which file has which tensor.

package import GLMFiles

/// The index of a checkpoint in several files.
package struct CheckpointIndex: Sendable {
    /// Longest index file in bytes.
    package static let limit = 100_000_000

    package let path: String
    /// Tensor and file name, in the order of the text.
    package let weightMap: [(name: ByteString, file: String)]
    /// The different file names, in byte order.
    package let files: [String]

    /// - Throws: `badInput` for a text that is no index, or a file name that is not plain.
    package static func load(path: String) throws(InputError) -> CheckpointIndex {
        let document = try JSONDocument.load(path: path, limit: limit)
        return try CheckpointIndex(document.root, path: path)
    }

    /// Reads `{"weight_map": {tensor: file}, …}`; other members are not looked at.
    package init(_ root: JSONValue, path: String) throws(InputError) {
        guard let weightMap = root["weight_map"], weightMap.kind == .object else {
            throw InputError(
                .badInput, file: path, subject: "weight_map",
                found: root["weight_map"].map { "\($0.kind)" } ?? "nothing",
                expected: "an object from tensor names to file names")
        }
        var map: [(name: ByteString, file: String)] = []
        var files: Set<ByteString> = []
        try weightMap.visitMembers { name, value throws(InputError) in
            guard let file = value.string, Self.isPlain(file) else {
                throw InputError(
                    .badInput, file: path, subject: "weight_map: \(name) (byte \(value.offset))",
                    found: value.string.map { "the file name \"\($0)\"" } ?? "\(value.kind)",
                    expected: "the plain name of a file in the same directory")
            }
            map.append((name, file))
            files.insert(ByteString(file))
        }
        guard !map.isEmpty else {
            throw InputError(.badInput, file: path, subject: "weight_map", found: "no tensor in it")
        }
        self.path = path
        self.weightMap = map
        self.files = files.sorted().map(\.description)
    }

    /// The text of an index.
    ///
    /// - Precondition: tensor names are valid UTF-8, file names are plain.
    package static func text(_ map: [(name: ByteString, file: String)], totalSize: Int) -> String {
        precondition(map.allSatisfy { $0.name.string != nil && isPlain($0.file) }, "names for an index")
        let members = map.map { JSON.Member($0.name.description, .string($0.file)) }
        let index: JSON = ["metadata": ["total_size": .integer(totalSize)], "weight_map": .object(members)]
        return index.text(.indented) + "\n"
    }

    /// A name that can only mean a file beside the index.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.utf8.allSatisfy {
                $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\")
            }
    }
}
