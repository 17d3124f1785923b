package import GLMFiles
public import GLMKernels
public import GLMTensor
public import GLMWeights

/// down · (silu(gate · x) ⊙ (up · x)): dense layers, shared experts, and each routed expert.
///
/// Source: specification §3.
public struct GatedMLP: Sendable {
    let gate: Linear
    let up: Linear
    package let down: Linear

    /// Reads `gate_proj`, `up_proj` and `down_proj`.
    package init(weights: WeightScope, hidden: Int, intermediate: Int, compute: Compute) throws(InputError) {
        gate = Linear(
            try weights.matrix("gate_proj.weight", rows: intermediate, columns: hidden), compute: compute)
        up = Linear(
            try weights.matrix("up_proj.weight", rows: intermediate, columns: hidden), compute: compute)
        down = Linear(
            try weights.matrix("down_proj.weight", rows: hidden, columns: intermediate), compute: compute)
    }

    /// An MLP of one's own.
    ///
    /// - Parameters:
    ///   - gate: `[intermediate, hidden]`.
    ///   - up: `[intermediate, hidden]`.
    ///   - down: `[hidden, intermediate]`.
    /// - Precondition: the shapes agree.
    public init(gate: WeightMatrix, up: WeightMatrix, down: WeightMatrix, compute: Compute) {
        precondition(
            gate.rows == up.rows && gate.columns == up.columns && down.rows == gate.columns
                && down.columns == gate.rows,
            """
            gate \(gate.rows) × \(gate.columns), up \(up.rows) × \(up.columns), \
            down \(down.rows) × \(down.columns)
            """)
        self.gate = Linear(gate, compute: compute)
        self.up = Linear(up, compute: compute)
        self.down = Linear(down, compute: compute)
    }

    var intermediate: Int { gate.weight.rows }

    /// `[tokens, hidden]` → `[tokens, hidden]`.
    public func callAsFunction(_ x: Tensor) -> Tensor { self(x, following: []) }

    /// - Parameter following: what is read behind it.
    func callAsFunction(_ x: Tensor, following: ReadingOrder) -> Tensor {
        let compute = gate.compute
        compute.willRead([down.memory], rows: x.rowCount)
        let gateUp = withExtendedLifetime((gate, up)) { product(Product(gate, up, of: x)) }
        let inner = compute.siluMultiply(gateUp)
        compute.willRead(following, rows: x.rowCount)
        return down(inner)
    }

    /// What its first region reads.
    var firstRead: ReadingOrder { [gate.memory, up.memory] }
}

extension Compute {
    /// silu(a) ⊙ b for rows `[a, b]` side by side: `[rows, 2 · width]` → `[rows, width]`.
    package func siluMultiply(_ gateUp: Tensor) -> Tensor {
        let width = gateUp.width / 2
        return unsafe mapRows(of: gateUp, width: width) { input, output in
            unsafe kernels.siluMultiply(gate: input, up: input + width, count: width, output: output)
            unsafe store(output, count: width)
        }
    }

    /// x + y, element by element.
    package func add(_ x: Tensor, _ y: Tensor) -> Tensor {
        precondition(x.hasShape(of: y), "sum of \(x.shape) and \(y.shape)")
        var sum = x
        unsafe sum.values.withUnsafeMutableBufferPointer { sum in
            unsafe y.values.withUnsafeBufferPointer { y in
                guard let sum = sum.baseAddress, let y = y.baseAddress else { return }
                forEachRow(x.rowCount) { row in
                    let offset = row * x.width
                    unsafe kernels.add(sum + offset, y + offset, count: x.width, output: sum + offset)
                    unsafe store(sum + offset, count: x.width)
                }
            }
        }
        return sum
    }
}
