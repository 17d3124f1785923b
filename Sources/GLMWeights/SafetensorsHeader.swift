// The header of a safetensors file: names, types, shapes and places of its tensors. Knows nothing of their values.

package import GLMFiles

/// What a safetensors file says about itself, with every claim checked against the file's size.
///
/// Layout: 8 bytes of header length (little endian), a JSON object, then the tensors' bytes. The tensors lie one after
/// the other from the end of the header to the end of the file, without hole or overlap; they may start at any byte.
package struct SafetensorsHeader: Sendable {
    /// Longest header, as in the format's reference implementation.
    package static let limit = 100_000_000
    /// Longest tensor name in bytes.
    package static let nameLimit = 1024
    /// Most dimensions of a tensor.
    package static let rankLimit = 16

    package struct Entry: Sendable, Equatable {
        package var name: ByteString
        package var type: ElementType
        package var shape: [Int]
        /// Place in the file, header included.
        package var range: Range<Int>
    }

    /// In the order of their places in the file; empty tensors before the one that starts at the same byte.
    package let entries: [Entry]
    /// The `__metadata__` member, in its order.
    package let metadata: [(key: ByteString, value: ByteString)]

    /// Reads the header at the beginning of `file`, the whole of a safetensors file. No byte of a tensor is touched.
    ///
    /// - Parameter path: names the file in errors.
    /// - Throws: `badInput` naming the tensor or the header's byte.
    package init(of file: UnsafeRawBufferPointer, path: String) throws(InputError) {
        unsafe try GitLFSPointer.refuse(file, path: path)
        let length = unsafe try Self.headerLength(file, path)
        let text = unsafe UnsafeRawBufferPointer(rebasing: file[8..<8 + length])
        let document = unsafe try JSONDocument(parsing: text, source: "\(path): header")
        guard document.root.kind == .object else {
            throw InputError(
                .badInput, file: path, subject: "header", found: "\(document.root.kind)",
                expected: "an object")
        }
        var entries: [Entry] = []
        var metadata: [(key: ByteString, value: ByteString)] = []
        try document.root.visitMembers { name, value throws(InputError) in
            if name == "__metadata__" {
                metadata = try Self.metadata(value, path)
            } else {
                entries.append(
                    try EntryReader(name, value, path, dataStart: 8 + length, fileSize: file.count).entry())
            }
        }
        entries.sort {
            ($0.range.lowerBound, $0.range.upperBound, $0.name) < (
                $1.range.lowerBound, $1.range.upperBound, $1.name
            )
        }
        try Self.requireContiguous(entries, dataStart: 8 + length, fileSize: file.count, path)
        self.entries = entries
        self.metadata = metadata
    }

    private static func headerLength(_ file: UnsafeRawBufferPointer, _ path: String) throws(InputError) -> Int
    {
        guard file.count >= 8 else {
            throw InputError(
                .badInput, file: path, found: "\(file.count) bytes",
                expected: "a safetensors file of at least 10",
                remedy: "download the file again")
        }
        let length = unsafe UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(limit) else {
            throw InputError(
                .badInput, file: path, subject: "byte 0", found: "a header of \(length) bytes",
                expected: "at most \(limit)", remedy: "is this a safetensors file?")
        }
        guard length <= UInt64(file.count - 8) else {
            throw InputError(
                .badInput, file: path, subject: "byte 0",
                found: "a header of \(length) bytes in a file of \(file.count)",
                expected: "a complete safetensors file", remedy: "download the file again")
        }
        return Int(length)
    }

    private static func metadata(
        _ value: JSONValue, _ path: String
    ) throws(InputError) -> [(key: ByteString, value: ByteString)] {
        var result: [(key: ByteString, value: ByteString)] = []
        func refusal(_ value: JSONValue) -> InputError {
            InputError(
                .badInput, file: path, subject: "__metadata__ (header byte \(value.offset))",
                found: "\(value.kind)",
                expected: "an object of strings")
        }
        guard value.kind == .object else { throw refusal(value) }
        try value.visitMembers { key, value throws(InputError) in
            guard let text = value.bytes else { throw refusal(value) }
            result.append((key, text))
        }
        return result
    }

    /// - Precondition: `entries` are sorted by place and lie in the file.
    private static func requireContiguous(
        _ entries: [Entry], dataStart: Int, fileSize: Int, _ path: String
    ) throws(InputError) {
        var end = dataStart
        for (index, entry) in entries.enumerated() {
            let start = entry.range.lowerBound
            if start < end {
                throw InputError(
                    .badInput, file: path, subject: "tensor \(entry.name)",
                    found: "begins \(end - start) bytes before the end of \(entries[index - 1].name)",
                    expected: "tensors that do not overlap")
            }
            if start > end {
                throw InputError(
                    .badInput, file: path, subject: "tensor \(entry.name)",
                    found: "a hole of \(start - end) bytes before it", expected: "tensors one after the other"
                )
            }
            end = entry.range.upperBound
        }
        guard end == fileSize else {
            throw InputError(
                .badInput, file: path, found: "\(fileSize - end) bytes after the last tensor",
                expected: "a file of \(end) bytes")
        }
    }
}

/// Reads one member of the header.
private struct EntryReader {
    let name: ByteString
    let value: JSONValue
    let path: String
    /// Offset in the file of the first tensor's first byte.
    let dataStart: Int
    let fileSize: Int

    init(_ name: ByteString, _ value: JSONValue, _ path: String, dataStart: Int, fileSize: Int) {
        self.name = name
        self.value = value
        self.path = path
        self.dataStart = dataStart
        self.fileSize = fileSize
    }

    func entry() throws(InputError) -> SafetensorsHeader.Entry {
        guard name.count <= SafetensorsHeader.nameLimit else {
            throw InputError(
                .badInput, file: path, subject: "header byte \(value.offset)",
                found: "a name of \(name.count) bytes",
                expected: "at most \(SafetensorsHeader.nameLimit)")
        }
        guard let dtype = value["dtype"], let shape = value["shape"], let offsets = value["data_offsets"],
            value.count == 3
        else {
            throw refusal(
                value, found: value.kind == .object ? "other members" : "\(value.kind)",
                expected: "exactly dtype, shape and data_offsets")
        }
        let type = try elementType(dtype)
        let dimensions = try self.shape(shape)
        let range = try self.range(offsets)
        guard let size = type.byteCount(shape: dimensions) else {
            throw refusal(
                shape, found: "shape \(dimensions) of \(type.rawValue), beyond 2^63 bytes",
                expected: "a size that can be")
        }
        guard size == range.count else {
            throw refusal(
                offsets, found: "\(range.count) bytes",
                expected: "\(size) for shape \(dimensions) of \(type.rawValue)")
        }
        return SafetensorsHeader.Entry(name: name, type: type, shape: dimensions, range: range)
    }

    private func elementType(_ dtype: JSONValue) throws(InputError) -> ElementType {
        guard let text = dtype.string, let type = ElementType(rawValue: text) else {
            let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
            throw refusal(
                dtype, found: "dtype \(dtype.string.map { "\"\($0)\"" } ?? "\(dtype.kind)")",
                expected: "one of \(known)")
        }
        return type
    }

    private func shape(_ shape: JSONValue) throws(InputError) -> [Int] {
        let rank = shape.kind == .array ? shape.count ?? 0 : nil
        guard let rank, rank <= SafetensorsHeader.rankLimit else {
            throw refusal(
                shape, found: rank.map { "\($0) dimensions" } ?? "\(shape.kind)",
                expected: "a shape of at most \(SafetensorsHeader.rankLimit) dimensions")
        }
        var dimensions: [Int] = []
        for element in shape.elements ?? [] {
            guard let dimension = element.integer, dimension >= 0 else {
                throw refusal(
                    element, found: "dimension \(element.numberLiteral ?? "\(element.kind)")",
                    expected: "an integer from 0 to 2^63 - 1")
            }
            dimensions.append(dimension)
        }
        return dimensions
    }

    /// The place in the file.
    private func range(_ offsets: JSONValue) throws(InputError) -> Range<Int> {
        let numbers =
            (offsets.kind == .array && offsets.count == 2 ? offsets.elements : nil)?.compactMap(\.integer)
            ?? []
        guard numbers.count == 2, 0 <= numbers[0], numbers[0] <= numbers[1] else {
            throw refusal(
                offsets, found: "data_offsets that are no range",
                expected: "[begin, end] with 0 <= begin <= end")
        }
        let available = fileSize - dataStart
        guard numbers[1] <= available else {
            throw refusal(
                offsets, found: "bytes up to \(numbers[1]) of \(available) in the file",
                expected: "a complete file",
                remedy: "download the file again")
        }
        return dataStart + numbers[0]..<dataStart + numbers[1]
    }

    private func refusal(
        _ value: JSONValue, found: String, expected: String, remedy: String? = nil
    ) -> InputError {
        InputError(
            .badInput, file: path, subject: "tensor \(name) (header byte \(value.offset))", found: found,
            expected: expected, remedy: remedy)
    }
}
