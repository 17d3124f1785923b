package import GLMKernels

extension Checkpoint {
    /// The larger matrices that are multiplied as they are stored, in the order of their places; codes without their scales.
    package var matrices: [FetchTuning.Matrix] {
        tensors.compactMap { tensor in
            let format: WeightView.Format? =
                switch tensor.type {
                case .float32: .float32
                case .bfloat16: .bfloat16
                case .float8E4M3: .float8E4M3
                default: nil
                }
            guard let format, tensor.shape.count == 2, let base = unsafe tensor.bytes.baseAddress,
                unsafe tensor.bytes.count >= Checkpoint.smallestMatrix
            else { return nil }
            return unsafe FetchTuning.Matrix(
                format, base: base, rows: tensor.shape[0], columns: tensor.shape[1])
        }
    }

    private static let smallestMatrix = 128 << 10
}
