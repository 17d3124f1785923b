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

    fileprivate var arithmetic: ProductArithmetic {
        role == .decision && compute.arithmetic == .bfloat16 ? .float32 : compute.arithmetic
    }

    /// `[tokens, in]` → `[tokens, out]`.
    package func callAsFunction(_ x: Tensor) -> Tensor { products([Product(self, of: x)])[0] }
}

/// One or several weights times the same rows: `[tokens, in]` → `[tokens, Σ out]`, side by side.
package struct Product: Sendable {
    let layers: [Linear]
    let x: Tensor

    /// - Precondition: every layer takes rows as wide as those of `x`.
    package init(_ layers: Linear..., of x: Tensor) {
        for layer in layers {
            precondition(
                x.width == layer.weight.columns,
                "Linear of \(layer.weight.columns) inputs was given \(x.shape)")
        }
        self.layers = layers
        self.x = x
    }
}

/// A piece of a common region, and the arithmetic it asks for. Plain numbers: parts are made anew with every token.
struct RegionPart {
    let group: ProductGroup
    let arithmetic: ProductArithmetic

    /// `layer` on `tokens` rows at `x`; outputs go to `y`, rows `yStride` apart.
    init(
        _ layer: Factor, x: UnsafePointer<Float>, tokens: Int, y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        group = unsafe ProductGroup(
            weight: layer.view, x: x, tokens: tokens, xStride: layer.view.columns, y: y, yStride: yStride)
        arithmetic = layer.arithmetic
    }
}

/// A layer's weight and the arithmetic of its product, without the layer, which must outlive it.
struct Factor: Sendable {
    let view: WeightView
    let arithmetic: ProductArithmetic

    init(_ layer: Linear) {
        view = layer.weight.view
        arithmetic = layer.arithmetic
    }
}

/// Products that do not wait for one another, in one parallel region: threads meet once, not once for each.
///
/// - Parameter parts: more work for the same region.
/// - Returns: the output of each product.
func products(_ requests: [Product], beside parts: [RegionPart] = []) -> [Tensor] {
    guard let compute = requests.first?.layers.first?.compute else { return [] }
    return products(requests[...], parts, compute)
}

/// Claims the outputs one inside the other; the innermost call has them all, and runs.
private func products(
    _ requests: ArraySlice<Product>, _ parts: [RegionPart], _ compute: Compute
) -> [Tensor] {
    guard let request = requests.first else {
        runRegion(parts, compute)
        return []
    }
    let x = request.x
    let width = request.layers.reduce(0) { $0 + $1.weight.rows }
    var others: [Tensor] = []
    let first = unsafe Tensor(shape: [x.rowCount, width]) { output in
        unsafe x.values.withUnsafeBufferPointer { input in
            var all = parts
            var column = 0
            for layer in request.layers {
                if let input = input.baseAddress {
                    unsafe all.append(
                        RegionPart(
                            Factor(layer), x: input, tokens: x.rowCount, y: output + column, yStride: width))
                }
                column += layer.weight.rows
            }
            others = products(requests.dropFirst(), all, compute)
        }
    }
    return [first] + others
}

/// Runs `parts` in one parallel region for each arithmetic among them.
func runRegion(_ parts: [RegionPart], _ compute: Compute) {
    for arithmetic in ProductArithmetic.allCases where parts.contains(where: { $0.arithmetic == arithmetic })
    {
        var groups: [ProductGroup] = []
        groups.reserveCapacity(parts.count)
        for part in parts where part.arithmetic == arithmetic { groups.append(part.group) }
        compute.product(groups, arithmetic: arithmetic)
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
