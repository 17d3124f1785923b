// Safetensors files, written front to back. Reading is SafetensorsFile's.

package import GLMFiles

/// A tensor that a file will have.
package struct TensorDescription: Sendable, Equatable {
    package var name: ByteString
    package var type: ElementType
    package var shape: [Int]
    package let byteCount: Int

    /// - Precondition: the name is valid UTF-8, the dimensions are not negative and the size is below 2^63 bytes.
    package init(_ name: ByteString, _ type: ElementType, _ shape: [Int]) {
        let size = type.byteCount(shape: shape)
        precondition(name.string != nil && size != nil, "tensor \(name) of shape \(shape)")
        self.name = name
        self.type = type
        self.shape = shape
        byteCount = size ?? 0
    }
}

/// Writes the header at once, then takes the tensors' bytes in their order; the file appears with `commit()`.
///
/// A writer that goes without `commit()` leaves nothing behind.
package final class SafetensorsWriter {
    /// Length of the header with its 8 bytes of length; a multiple of 8, so that the first tensor is aligned.
    package let dataStart: Int
    private let file: AtomicFile
    private let total: Int

    /// Begins the file at `path`.
    ///
    /// - Parameter metadata: members of `__metadata__`, left out when empty.
    /// - Precondition: all names differ.
    /// - Throws: `inputOutput` when the system refuses.
    package init(
        path: String, tensors: [TensorDescription], metadata: [(String, String)] = [("format", "pt")]
    ) throws(InputError) {
        let header = Self.header(tensors, metadata)
        dataStart = header.count
        total = header.count + tensors.reduce(0) { $0 + $1.byteCount }
        file = try AtomicFile(path: path)
        try file.write(header)
    }

    /// The first bytes of a file with these tensors: everything before the first tensor's.
    ///
    /// - Precondition: all names differ, and the sizes together are below 2^63 bytes.
    package static func header(_ tensors: [TensorDescription], _ metadata: [(String, String)]) -> [UInt8] {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
        var members: [JSON.Member] = []
        if !metadata.isEmpty {
            members.append(
                JSON.Member("__metadata__", .object(metadata.map { JSON.Member($0.0, .string($0.1)) })))
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.byteCount
            members.append(
                JSON.Member(
                    tensor.name.description,
                    [
                        "dtype": .string(tensor.type.rawValue),
                        "shape": .array(tensor.shape.map { .integer($0) }),
                        "data_offsets": [.integer(offset), .integer(end)],
                    ]))
            offset = end
        }
        var text = JSON.object(members).bytes()
        text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
    }

    /// Bytes still to come.
    package var remaining: Int { total - file.size }

    /// The next bytes, of one tensor or of several.
    ///
    /// - Precondition: not more than `remaining`.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
        precondition(bytes.count <= remaining, "\(bytes.count) bytes where \(remaining) are missing")
        unsafe try file.write(bytes)
    }

    /// The next bytes, of one tensor or of several.
    ///
    /// - Precondition: not more than `remaining`.
    package func write(_ bytes: [UInt8]) throws(InputError) {
        unsafe try bytes.withUnsafeBufferPointer { piece throws(InputError) in
            unsafe try write(UnsafeRawBufferPointer(piece))
        }
    }

    /// The next values of F32 tensors.
    ///
    /// - Precondition: not more than `remaining` bytes.
    package func write(_ values: [Float]) throws(InputError) {
        let codes = values.map { $0.bitPattern.littleEndian }
        unsafe try codes.withUnsafeBufferPointer { piece throws(InputError) in
            unsafe try write(UnsafeRawBufferPointer(piece))
        }
    }

    /// Makes all remaining bytes a hole: zeros that take no disk space.
    package func writeHole() throws(InputError) {
        try file.writeHole(remaining)
    }

    /// Makes the file appear, durably.
    ///
    /// - Precondition: nothing remains.
    package func commit() throws(InputError) {
        precondition(remaining == 0, "\(remaining) bytes are missing")
        try file.commit()
    }
}
