package import GLMKernels
package import GLMTensor
package import GLMWeights

/// y = W·x, without bias: a weight where the file maps it, and the machine that multiplies by it.
///
/// Every output element has one order of additions, whatever the number of rows or threads (see
/// `Compute.product`).
package struct Linear: Sendable {
    /// What becomes of the outputs.
    package enum Role: Sendable {
        /// They are stored, in the format of activations.
        case activation
        /// They decide: logits, expert scores and head weights stay Float32 where activations do not.
        case decision
    }

    package let weight: WeightMatrix
    package let compute: Compute
    private let role: Role

    package init(_ weight: WeightMatrix, compute: Compute, role: Role = .activation) {
        self.weight = weight
        self.compute = compute
        self.role = role
    }

    private var arithmetic: ProductArithmetic {
        role == .decision && compute.arithmetic == .bfloat16 ? .float32 : compute.arithmetic
    }

    /// `[tokens, in]` → `[tokens, out]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        precondition(x.width == weight.columns, "Linear of \(weight.columns) inputs was given \(x.shape)")
        let tokens = x.rowCount
        return unsafe Tensor(shape: [tokens, weight.rows]) { output in
            unsafe x.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress, tokens > 0 else { return }
                unsafe compute.product(
                    [
                        ProductGroup(
                            weight: weight.view, x: input, tokens: tokens, xStride: weight.columns,
                            y: output, yStride: weight.rows)
                    ], arithmetic: arithmetic)
            }
        }
    }
}

/// Several products of the same rows in one parallel region, side by side: `[tokens, in]` → `[tokens, Σ
/// out]`.
package func concatenatedProducts(_ layers: [Linear], of x: Tensor) -> Tensor {
    let tokens = x.rowCount
    let total = layers.reduce(0) { $0 + $1.weight.rows }
    for layer in layers {
        precondition(
            x.width == layer.weight.columns, "Linear of \(layer.weight.columns) inputs was given \(x.shape)")
    }
    return unsafe Tensor(shape: [tokens, total]) { output in
        unsafe x.values.withUnsafeBufferPointer { input in
            guard let input = input.baseAddress, tokens > 0, let compute = layers.first?.compute else {
                return
            }
            var column = 0
            var groups: [ProductGroup] = []
            for layer in layers {
                unsafe groups.append(
                    ProductGroup(
                        weight: layer.weight.view, x: input, tokens: tokens, xStride: x.width,
                        y: output + column, yStride: total))
                column += layer.weight.rows
            }
            compute.product(groups)
        }
    }
}

extension Compute {
    /// Rounds `count` activations in place, where this machine's activations are BF16.
    package func store(_ activations: UnsafeMutablePointer<Float>, count: Int) {
        if arithmetic == .bfloat16 { unsafe kernels.roundToBFloat16(activations, count: count) }
    }

    /// A row of activations as products with quantised inputs take it: E4M3 values, and one multiplier for
    /// each `block` of columns.
    package func quantized(_ x: [Float], block: Int) -> (codes: [Float], scales: [Float]) {
        let padded = (x.count + 15) / 16 * 16
        var codes = [Float](repeating: 0, count: padded)
        var scales = [Float](repeating: 0, count: (x.count + block - 1) / block)
        unsafe x.withUnsafeBufferPointer { row in
            unsafe codes.withUnsafeMutableBufferPointer { codes in
                unsafe scales.withUnsafeMutableBufferPointer { scales in
                    guard let from = row.baseAddress, let to = codes.baseAddress,
                        let scale = scales.baseAddress
                    else { return }
                    unsafe kernels.quantizeActivations(
                        from, count: x.count, block: block, codes: to, stride: 16, scales: scale,
                        scaleStride: 1)
                }
            }
        }
        return (Array(codes.prefix(x.count)), scales)
    }
}
