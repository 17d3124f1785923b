// A mapped safetensors file.

package import GLMFiles

/// The tensors of one file, mapped and not copied.
package struct SafetensorsFile: Sendable {
    package let path: String
    /// In the order of their places in the file.
    package let tensors: [StoredTensor]
    /// The `__metadata__` member, in its order.
    package let metadata: [(key: ByteString, value: ByteString)]

    /// Maps the file and reads its header; no tensor is touched.
    ///
    /// - Throws: what `MappedFile.open` and `SafetensorsHeader` throw.
    package static func open(path: String) throws(InputError) -> SafetensorsFile {
        let file = try MappedFile.open(path: path)
        let header = unsafe try SafetensorsHeader(of: file.bytes, path: path)
        return SafetensorsFile(
            path: path, tensors: header.entries.map { StoredTensor($0, in: file) }, metadata: header.metadata)
    }

    /// The tensor of this name. Linear in the number of tensors.
    package subscript(_ name: ByteString) -> StoredTensor? {
        tensors.first { $0.name == name }
    }
}
