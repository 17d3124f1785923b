extension NaiveKernels {
    /// The twin of the products in BF16, before their outputs are rounded.
    ///
    /// Weights and activations are rounded to BF16. Along k in groups of 32, one accumulator in each of 16
    /// lanes: lane i takes element 2i + 1 of a group, then element 2i; a short group is filled with zeros; the
    /// lanes are added in the fixed tree. Where the instruction exists it takes subnormal factors for zero.
    public func pairProduct(
        _ w: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        func rounded(_ value: Float) -> Float { BFloat16.decode(BFloat16.encode(value)) }
        for n in 0..<w.rows {
            let row = (0..<w.columns).map { rounded(w.value(n, $0)) }
            for t in 0..<tokens {
                var lanes = [Float](repeating: 0, count: 16)
                for start in stride(from: 0, to: w.columns, by: 32) {
                    for lane in 0..<16 {
                        for k in [start + 2 * lane + 1, start + 2 * lane] {
                            lanes[lane] = multiplyAdd(
                                k < w.columns ? row[k] : 0,
                                k < w.columns ? rounded(x[t * xStride + k]) : 0, lanes[lane])
                        }
                    }
                }
                y[t * yStride + n] = treeSum(lanes)
            }
        }
    }
}
