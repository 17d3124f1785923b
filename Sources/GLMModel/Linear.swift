package import GLMKernels
package import GLMTensor
package import GLMWeights

/// y = W·x, without bias: a weight where the file maps it, and the machine that multiplies by it.
///
/// Every output element has one order of additions, whatever the number of rows or threads (see
/// `Compute.product`). A class, since it is three references, which every copy would count.
package final class Linear: Sendable {
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

    var arithmetic: ProductArithmetic {
        role == .decision && compute.arithmetic == .bfloat16 ? .float32 : compute.arithmetic
    }

    /// `[tokens, in]` → `[tokens, out]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        withExtendedLifetime(self) { product(Product(self, of: x)) }
    }
}

/// A layer's weight and the arithmetic of its product, without the layer, which must outlive it. Plain numbers: regions are
/// made up anew with every token, and count no references.
struct Factor: Sendable {
    let view: WeightView
    let arithmetic: ProductArithmetic

    init(_ layer: Linear) {
        view = layer.weight.view
        arithmetic = layer.arithmetic
    }
}

extension Compute {
    /// Rounds `count` activations in place, where this machine's activations are BF16.
    package func store(_ activations: UnsafeMutablePointer<Float>, count: Int) {
        if arithmetic == .bfloat16 { unsafe kernels.roundToBFloat16(activations, count: count) }
    }

    /// Activations that were added by the devices of a group, rounded where this machine's are BF16.
    package func stored(_ x: Tensor) -> Tensor {
        guard arithmetic == .bfloat16 else { return x }
        return unsafe mapRows(of: x, width: x.width) { input, output in
            unsafe output.update(from: input, count: x.width)
            unsafe store(output, count: x.width)
        }
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
