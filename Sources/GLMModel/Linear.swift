package import GLMKernels
package import GLMTensor
package import GLMWeights

/// y = W·x, without bias: a weight where the file maps it, and the machine that multiplies by it.
///
/// Every output element has one order of additions, whatever the number of rows or threads (see
/// `Compute.product`).
package struct Linear: Sendable {
    package let weight: WeightMatrix
    package let compute: Compute

    package init(_ weight: WeightMatrix, compute: Compute) {
        self.weight = weight
        self.compute = compute
    }

    /// `[tokens, in]` → `[tokens, out]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        precondition(x.width == weight.columns, "Linear of \(weight.columns) inputs was given \(x.shape)")
        let tokens = x.rowCount
        return unsafe Tensor(shape: [tokens, weight.rows]) { output in
            unsafe x.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress, tokens > 0 else { return }
                unsafe compute.product([
                    ProductGroup(
                        weight: weight.view, x: input, tokens: tokens, xStride: weight.columns, y: output,
                        yStride: weight.rows)
                ])
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
