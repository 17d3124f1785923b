package import GLMFiles
package import GLMKernels

extension Checkpoint {
    /// The larger matrices that are read where they are stored, in the order of their places, but those called `others` and those at the places
    /// `copied`; codes without their scales. They live as long as the checkpoint.
    package func matrices(besides others: Set<ByteString>, copied: Set<Int> = []) -> [FetchTuning.Matrix] {
        tensors.enumerated().compactMap { place, tensor in
            let format: WeightView.Format? =
                switch tensor.type {
                case .float32: .float32
                case .bfloat16: .bfloat16
                case .float8E4M3: .float8E4M3
                default: nil
                }
            guard let format, tensor.shape.count == 2, let base = unsafe tensor.bytes.baseAddress,
                unsafe tensor.bytes.count >= Checkpoint.smallestMatrix, !others.contains(tensor.name),
                !copied.contains(place)
            else { return nil }
            return unsafe FetchTuning.Matrix(
                format, base: base, rows: tensor.shape[0], columns: tensor.shape[1])
        }
    }

    private static let smallestMatrix = 128 << 10
}
