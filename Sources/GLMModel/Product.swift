import GLMKernels
import GLMTensor
import GLMWeights

/// One weight, or two side by side, times the same rows: `[tokens, in]` → `[tokens, Σ out]`. The layers must outlive it.
struct Product {
    private let first: Factor
    private let second: Factor?
    fileprivate let x: Tensor
    fileprivate let compute: Compute

    /// - Precondition: every layer takes rows as wide as those of `x`.
    init(_ layer: Linear, _ beside: Linear? = nil, of x: Tensor) {
        func factor(_ layer: Linear) -> Factor {
            precondition(
                x.width == layer.weight.columns,
                "Linear of \(layer.weight.columns) inputs was given \(x.shape)")
            return Factor(layer)
        }
        first = factor(layer)
        second = beside.map(factor)
        self.x = x
        compute = layer.compute
    }

    fileprivate var width: Int { first.view.rows + (second?.view.rows ?? 0) }

    /// Its part of a region that reads `input` and writes `output`.
    fileprivate func add(
        to region: inout ProductRegion, _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>
    ) {
        let (tokens, width) = (x.rowCount, width)
        unsafe region.add(first, x: input, tokens: tokens, y: output, yStride: width)
        guard let second else { return }
        unsafe region.add(
            second, x: input, tokens: tokens, y: output + first.view.rows, yStride: width)
    }
}

/// Products, and chains of them, that do not wait for one another, for one parallel region, or one for each arithmetic and form of inputs among them.
struct ProductRegion {
    private let compute: Compute
    private var float32: [ProductGroup] = []
    private var bfloat16: [ProductGroup] = []
    private var w8a8: [ProductGroup] = []
    private var gated: [GatedGroup] = []

    /// - Parameter capacity: of products in the arithmetic of `compute`.
    init(_ compute: Compute, capacity: Int) {
        self.compute = compute
        switch compute.arithmetic {
        case .float32: float32.reserveCapacity(capacity)
        case .bfloat16: bfloat16.reserveCapacity(capacity)
        case .w8a8: w8a8.reserveCapacity(capacity)
        }
    }

    /// `factor` on `tokens` rows at `x`; outputs go to `y`, rows `yStride` apart.
    mutating func add(
        _ factor: Factor, x: UnsafePointer<Float>, tokens: Int, y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        let group = unsafe ProductGroup(
            weight: factor.view, x: x, tokens: tokens, xStride: factor.view.columns, y: y, yStride: yStride)
        switch factor.arithmetic {
        case .float32: float32.append(group)
        case .bfloat16: bfloat16.append(group)
        case .w8a8: w8a8.append(group)
        }
    }

    /// A whole MLP of the row at `x`, for one thread; its output goes to `y`.
    mutating func add(
        gate: Factor, up: Factor, down: Factor, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        unsafe gated.append(GatedGroup(gate: gate.view, up: up.view, down: down.view, x: x, y: y))
    }

    func run() {
        if !gated.isEmpty {
            compute.gatedProducts(gated, beside: float32)
        } else if !float32.isEmpty {
            compute.product(float32, arithmetic: .float32)
        }
        if !bfloat16.isEmpty { compute.product(bfloat16, arithmetic: .bfloat16) }
        if !w8a8.isEmpty { compute.product(w8a8, arithmetic: .w8a8) }
    }
}

/// One product, in a region of its own.
func product(_ request: Product) -> Tensor {
    var region = ProductRegion(request.compute, capacity: 2)
    return unsafe Tensor(rows: request.x.rowCount, width: request.width) { output in
        unsafe request.x.values.withUnsafeBufferPointer { input in
            guard let input = input.baseAddress else { return }
            unsafe request.add(to: &region, input, output)
            region.run()
        }
    }
}

/// Products that do not wait for one another, in one parallel region: threads meet once, not once for each.
///
/// - Parameter region: more work for the same region.
/// - Returns: the output of each product.
func products(_ requests: [Product], beside region: ProductRegion? = nil) -> [Tensor] {
    guard let compute = requests.first?.compute else { return [] }
    var region = region ?? ProductRegion(compute, capacity: 2 * requests.count)
    var made: [Tensor] = []
    made.reserveCapacity(requests.count)
    claim(requests, from: 0, &region, &made)
    made.reverse()
    return made
}

/// Claims the outputs one inside the other; the innermost call has them all, and runs. The last output comes first.
private func claim(
    _ requests: [Product], from index: Int, _ region: inout ProductRegion, _ made: inout [Tensor]
) {
    guard index < requests.count else { return region.run() }
    let request = requests[index]
    // For an output without elements perhaps nothing is lent.
    if request.x.rowCount * request.width == 0 {
        claim(requests, from: index + 1, &region, &made)
        return made.append(Tensor(zeros: [request.x.rowCount, request.width]))
    }
    let output = unsafe Tensor(rows: request.x.rowCount, width: request.width) { output in
        unsafe request.x.values.withUnsafeBufferPointer { input in
            if let input = input.baseAddress { unsafe request.add(to: &region, input, output) }
            claim(requests, from: index + 1, &region, &made)
        }
    }
    made.append(output)
}
