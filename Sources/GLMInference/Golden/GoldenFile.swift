import GLMFiles
import GLMWeights

/// Golden files on disk: safetensors of F32 values, I32 integers and U8 sets.
enum GoldenFile {
    /// Every quantity of a file; element types other than these are widened when nothing is lost.
    static func read(path: String) throws(InputError) -> [String: GoldenArray] {
        var arrays: [String: GoldenArray] = [:]
        for tensor in try SafetensorsFile.open(path: path).tensors {
            guard let name = tensor.name.string else {
                throw InputError(.badInput, file: path, subject: "\(tensor.name)", found: "a name that is not UTF-8")
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
                        .badInput, file: tensor.file, subject: "tensor \(tensor.name)", found: "the integer \(value)",
                        expected: "32 bits")
                }
                integers.append(narrow)
            }
            return .integer(integers)
        }
    }
}
