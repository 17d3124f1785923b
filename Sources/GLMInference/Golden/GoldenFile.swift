import GLMFiles
import GLMWeights

/// Golden files on disk: safetensors of F32 values, I32 integers and U8 sets.
enum GoldenFile {
    /// Every quantity of a file; element types other than these are widened when nothing is lost.
    static func read(path: String) throws(InputError) -> [String: GoldenArray] {
        var arrays: [String: GoldenArray] = [:]
        for tensor in try SafetensorsFile.open(path: path).tensors {
            guard let name = tensor.name.string else {
                throw InputError(
                    .badInput, file: path, subject: "\(tensor.name)", found: "a name that is not UTF-8")
            }
            arrays[name] = GoldenArray(shape: tensor.shape, values: try values(of: tensor))
        }
        return arrays
    }

    private static func values(of tensor: StoredTensor) throws(InputError) -> GoldenArray.Values {
        switch tensor.type {
        case .float32, .bfloat16, .float16, .float8E4M3: return .float(try tensor.floats())
        case .uint8, .bool: return .flag(try tensor.integers().map { UInt8(truncatingIfNeeded: $0) })
        default:
            var integers: [Int32] = []
            for value in try tensor.integers() {
                guard let narrow = Int32(exactly: value) else {
                    throw InputError(
                        .badInput, file: tensor.file, subject: "tensor \(tensor.name)",
                        found: "the integer \(value)", expected: "32 bits")
                }
                integers.append(narrow)
            }
            return .integer(integers)
        }
    }

    /// Writes quantities in the order of their names.
    static func write(_ arrays: [String: GoldenArray], path: String) throws(InputError) {
        let ordered = arrays.sorted { $0.key < $1.key }
        let writer = try SafetensorsWriter(
            path: path,
            tensors: ordered.map {
                TensorDescription(ByteString($0.key), elementType(of: $0.value), $0.value.shape)
            })
        for (_, array) in ordered {
            switch array.values {
            case .float(let values): try writer.write(values)
            case .integer(let values):
                try writer.write(
                    values.flatMap { value in
                        (0..<4).map { UInt8(truncatingIfNeeded: UInt32(bitPattern: value) >> (8 * $0)) }
                    })
            case .flag(let values): try writer.write(values)
            }
        }
        try writer.commit()
    }

    private static func elementType(of array: GoldenArray) -> ElementType {
        switch array.values {
        case .float: .float32
        case .integer: .int32
        case .flag: .uint8
        }
    }
}
