extension NaiveKernels {
    /// The twin of `Kernels.quantizeActivations`: the codes themselves and one multiplier a group.
    public func quantizeActivations(_ x: [Float], block: Int) -> (codes: [UInt8], scales: [Float]) {
        var codes: [UInt8] = []
        var scales: [Float] = []
        for start in stride(from: 0, to: x.count, by: block) {
            let group = x[start..<min(x.count, start + block)]
            let largest = group.reduce(smallestActivation) { max($0, abs($1)) }
            let scale = largest / Float8E4M3.greatestFiniteMagnitude
            scales.append(scale)
            codes += group.map { Float8E4M3.encode($0 / scale) }
        }
        return (codes, scales)
    }

    /// The twin of the products with quantised inputs.
    ///
    /// Inside a block of columns element k goes to lane k mod 16, ascending, exact codes by exact codes; when
    /// the block ends, each lane enters the same lane of the output, times (token's multiplier · row's
    /// multiplier), blocks ascending; at the end the lanes are added in the fixed tree.
    /// - Precondition: `w` has scales whose blocks begin at its first column.
    public func scaledProduct(
        _ w: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        guard let scales = w.scales else {
            preconditionFailure("a product with inputs that stay as they are")
        }
        let block = scales.blockColumns
        for t in 0..<tokens {
            let row = (0..<w.columns).map { x[t * xStride + $0] }
            let (codes, multipliers) = quantizeActivations(row, block: block)
            for n in 0..<w.rows {
                var lanes = [Float](repeating: 0, count: 16)
                for (b, multiplier) in multipliers.enumerated() {
                    var sums = [Float](repeating: 0, count: 16)
                    for k in b * block..<min(w.columns, (b + 1) * block) {
                        let code = w.base.load(fromByteOffset: n * w.rowStride + k, as: UInt8.self)
                        sums[k & 15] = multiplyAdd(
                            Float8E4M3.decode(code), Float8E4M3.decode(codes[k]), sums[k & 15])
                    }
                    let scale = multiplier * scales.scale(n, b * block)
                    for lane in 0..<16 { lanes[lane] = multiplyAdd(sums[lane], scale, lanes[lane]) }
                }
                y[t * yStride + n] = treeSum(lanes)
            }
        }
    }
}
