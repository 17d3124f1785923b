extension NaiveKernels {
    /// The twin of `Kernels.exp`: Cody–Waite reduction, the polynomial of Cephes `expf`, scaling by 2ⁿ in two
    /// steps.
    public func exp(_ value: Float) -> Float {
        let x: Float = value < -104 ? -104 : value > 89 ? 89 : value
        let shifted = multiplyAdd(x, 1.442_695_04, 0x1.8p23)
        let n = shifted - 0x1.8p23
        var r = multiplyAdd(n, -0.693_359_375, x)
        r = multiplyAdd(n, 2.121_944_40e-4, r)
        var p: Float = 1.987_569_15e-4
        for coefficient in [
            1.398_199_950_7e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 0.5,
        ] as [Float] {
            p = multiplyAdd(p, r, coefficient)
        }
        let y = multiplyAdd(p, r * r, r) + 1
        let exponent = Int32(bitPattern: shifted.bitPattern &- (0x1.8p23 as Float).bitPattern)
        let half = exponent &>> 1
        let first = Float(bitPattern: UInt32(bitPattern: (half &+ 127) &<< 23))
        let second = Float(bitPattern: UInt32(bitPattern: (exponent &- half &+ 127) &<< 23))
        return y * first * second
    }

    /// The twin of `Kernels.sigmoid`, for one value.
    func sigmoid(_ value: Float) -> Float { 1 / (1 + exp(-value)) }

    /// Σ in 16 lanes, tail filled with zeros.
    private func sum(_ count: Int, _ value: (Int) -> Float) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for i in 0..<(count + 15) / 16 * 16 { lanes[i & 15] += i < count ? value(i) : 0 }
        return treeSum(lanes)
    }

    /// The twin of `Kernels.rmsNorm`.
    public func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int,
        output: UnsafeMutablePointer<Float>
    ) {
        let inverse = 1 / (dot(count, { x[$0] }, { x[$0] }) / Float(count) + epsilon).squareRoot()
        for i in 0..<count { output[i] = x[i] * inverse * weight[i] }
    }

    /// The twin of `Kernels.layerNorm`.
    public func layerNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
        count: Int, output: UnsafeMutablePointer<Float>
    ) {
        let mean = sum(count) { x[$0] } / Float(count)
        let variance = dot(count, { x[$0] - mean }, { x[$0] - mean }) / Float(count)
        let inverse = 1 / (variance + epsilon).squareRoot()
        for i in 0..<count { output[i] = multiplyAdd((x[i] - mean) * inverse, weight[i], bias[i]) }
    }

    /// The twin of `Kernels.siluMultiply`.
    public func siluMultiply(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<count { output[i] = gate[i] / (1 + exp(-gate[i])) * up[i] }
    }

    /// The twin of `Kernels.softmaxWeights`.
    public func softmaxWeights(_ x: UnsafeMutablePointer<Float>, scale: Float, count: Int) -> SoftmaxSum {
        var largest = -Float.infinity
        for i in 0..<count {
            x[i] *= scale
            if x[i] > largest { largest = x[i] }
        }
        let origin = largest == -.infinity ? 0 : largest
        for i in 0..<count { x[i] = exp(x[i] - origin) }
        return SoftmaxSum(largest: largest, sum: sum(count) { x[$0] })
    }

    /// The twin of `Kernels.softmaxMerge`.
    public func softmaxMerge(
        _ x: UnsafePointer<Float>, _ block: SoftmaxSum, count: Int, into y: UnsafeMutablePointer<Float>,
        _ all: inout SoftmaxSum
    ) {
        let largest = block.largest > all.largest ? block.largest : all.largest
        let origin = largest == -.infinity ? 0 : largest
        let (own, other) = (exp(all.largest - origin), exp(block.largest - origin))
        for i in 0..<count { y[i] = multiplyAdd(x[i], other, y[i] * own) }
        all = SoftmaxSum(largest: largest, sum: multiplyAdd(block.sum, other, all.sum * own))
    }

    /// The twin of `Kernels.sigmoid`.
    public func sigmoid(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        for i in 0..<count { output[i] = sigmoid(x[i]) }
    }

    /// The twin of `Kernels.exp`.
    public func exp(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        for i in 0..<count { output[i] = exp(x[i]) }
    }

    /// The twin of `Kernels.add`.
    public func add(
        _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<count { output[i] = x[i] + y[i] }
    }

    /// The twin of `Kernels.addScaled`.
    public func addScaled(
        _ x: UnsafePointer<Float>, factor: Float, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<count { sum[i] = multiplyAdd(x[i], factor, sum[i]) }
    }

    /// The twin of `Kernels.rotateInterleaved`.
    public func rotateInterleaved(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
        pairs: Int
    ) {
        for j in 0..<pairs {
            let even = x[2 * j], odd = x[2 * j + 1]
            x[2 * j] = multiplyAdd(even, cosines[j], -(odd * sines[j]))
            x[2 * j + 1] = multiplyAdd(odd, cosines[j], even * sines[j])
        }
    }
}
