extension Kernels {
    /// output = x / sqrt(mean(x²) + epsilon) · weight, over one row of `count`.
    public func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int,
        output: UnsafeMutablePointer<Float>
    ) {
        naive.rmsNorm(x, weight: weight, epsilon: epsilon, count: count, output: output)
    }

    /// output = (x − mean) / sqrt(variance + epsilon) · weight + bias, over one row; the variance is the mean of squares.
    public func layerNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float, count: Int,
        output: UnsafeMutablePointer<Float>
    ) {
        naive.layerNorm(x, weight: weight, bias: bias, epsilon: epsilon, count: count, output: output)
    }

    /// output = silu(gate) · up, element by element, with silu(z) = z · sigmoid(z).
    public func siluMultiply(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        naive.siluMultiply(gate: gate, up: up, count: count, output: output)
    }

    /// x = exp(x − max x) / Σ exp(x − max x), in place. A row of −∞ alone, or one with NaN or +∞, becomes NaN.
    public func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) { naive.softmax(x, count: count) }

    /// output = 1 / (1 + exp(−x)).
    public func sigmoid(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        naive.sigmoid(x, count: count, output: output)
    }

    /// output = eˣ, within 2 units in the last place; 0 below −104, +∞ above 88.73, NaN for NaN. No library call, so the same
    /// on every machine.
    public func exp(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        naive.exp(x, count: count, output: output)
    }

    /// output = x + y.
    public func add(
        _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        naive.add(x, y, count: count, output: output)
    }

    /// sum = x · factor + sum.
    public func addScaled(
        _ x: UnsafePointer<Float>, factor: Float, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        naive.addScaled(x, factor: factor, count: count, into: sum)
    }

    /// Rotates neighbours, in place: y₂ⱼ = x₂ⱼ cosⱼ − x₂ⱼ₊₁ sinⱼ and y₂ⱼ₊₁ = x₂ⱼ₊₁ cosⱼ + x₂ⱼ sinⱼ for j < `pairs`.
    public func rotateInterleaved(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, pairs: Int
    ) {
        naive.rotateInterleaved(x, cosines: cosines, sines: sines, pairs: pairs)
    }
}
