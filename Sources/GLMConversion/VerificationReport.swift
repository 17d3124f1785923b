// What a look at a checkpoint found. Knows no file.

package import GLMFiles
package import GLMWeights

/// What is known of a checkpoint's tensors and files after every byte was read.
package struct VerificationReport: Sendable {
    /// One tensor.
    package struct TensorEntry: Sendable {
        package let name: ByteString
        package let type: ElementType
        package let shape: [Int]
        package let file: String
        /// XXH64 of its bytes.
        package internal(set) var checksum: UInt64
        package internal(set) var nonFinite: NonFinite
        /// Against the source; nil when there was none to compare with.
        package internal(set) var error: WorstError?
    }

    /// One safetensors file.
    package struct FileEntry: Sendable {
        package let name: String
        package let byteCount: Int
        /// XXH64 of its bytes.
        package let checksum: UInt64
    }

    /// The largest difference from the source.
    package struct WorstError: Sendable, Equatable {
        /// |w − source| over the largest magnitude of the source's block; infinite where that block is zero.
        package var relative: Float
        package var row: Int
        package var column: Int
        /// The largest that the two formats explain.
        package var bound: Float
    }

    package internal(set) var tensors: [TensorEntry]
    package internal(set) var files: [FileEntry]
    /// One line each; none when everything is as it should be.
    package var problems: [String]

    /// The tensor with the largest error; nil without a source.
    package var worst: (tensor: TensorEntry, error: WorstError)? {
        var worst: (tensor: TensorEntry, error: WorstError)?
        for tensor in tensors {
            guard let error = tensor.error, error.relative > worst?.error.relative ?? -1 else { continue }
            worst = (tensor, error)
        }
        return worst
    }

    /// Everything as one object.
    package var json: JSON {
        let tensors = self.tensors.map { tensor in
            var members = [
                JSON.Member("name", .string(tensor.name.description)),
                JSON.Member("dtype", .string(tensor.type.rawValue)),
                JSON.Member("shape", .array(tensor.shape.map { .integer($0) })),
                JSON.Member("file", .string(tensor.file)),
                JSON.Member("xxh64", .string(XXH64.text(tensor.checksum))),
                JSON.Member("non_finite", .integer(tensor.nonFinite.count)),
            ]
            if let error = tensor.error {
                let value: JSON = error.relative.isFinite ? JSON(error.relative) : "infinity"
                members.append(JSON.Member("worst_relative_error", value))
            }
            return JSON.object(members)
        }
        let files = self.files.map { file -> JSON in
            [
                "name": .string(file.name), "bytes": .integer(file.byteCount),
                "xxh64": .string(XXH64.text(file.checksum)),
            ]
        }
        return [
            "ok": .bool(problems.isEmpty), "problems": .array(problems.map { .string($0) }),
            "files": .array(files), "tensors": .array(tensors),
        ]
    }
}
