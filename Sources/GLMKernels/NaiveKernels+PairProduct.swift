extension NaiveKernels {
    /// The twin of the products in BF16, before their outputs are rounded.
    ///
    /// Weights and activations are rounded to BF16. Along k in groups of 32, one accumulator in each of 16
    /// lanes: lane i takes element 2i + 1 of a group, then element 2i; a short group is filled with zeros; the
    /// lanes are added in the fixed tree. Where the instruction exists it takes subnormal factors for zero.
    ///
    /// With matrix registers the order is that of `matrixProduct`. With narrower vectors than AVX-512 weights in BF16 are multiplied
    /// as in `product`, by rounded activations.
    public func pairProduct(
        _ w: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        func rounded(_ value: Float) -> Float { BFloat16.decode(BFloat16.encode(value)) }
        if !multipliesMatrices, !addsPairs, w.format == .bfloat16 {
            for t in 0..<tokens {
                let token = (0..<w.columns).map { rounded(x[t * xStride + $0]) }
                product(
                    w, rows: 0..<w.rows, x: token, tokens: 1, xStride: 0, y: y + t * yStride, yStride: yStride
                )
            }
            return
        }
        for n in 0..<w.rows {
            let row = (0..<w.columns).map { rounded(w.value(n, $0)) }
            for t in 0..<tokens {
                if multipliesMatrices {
                    y[t * yStride + n] = matrixDot(
                        row, [(0..<w.columns).map { rounded(x[t * xStride + $0]) }])
                    continue
                }
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

    /// The twin of `Kernels.matrixProduct` for exact activations and BF16 weights.
    ///
    /// An activation is the sum of three codes, each with the eight leading bits that those before it leave. Of a group of 32
    /// columns, with the first codes, then the second, then the third: the even elements are added in ascending order from
    /// zero, so are the odd ones, and the sum of the two enters the output. All subnormal numbers, read or computed, are zero;
    /// an infinity is its first code alone; an output that is zero is +0.
    public func matrixProduct(
        _ w: WeightView, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        func cut(_ value: Float) -> Float { Float(bitPattern: value.bitPattern & 0xffff_0000) }
        for n in 0..<w.rows {
            let row = (0..<w.columns).map { w.value(n, $0) }
            for t in 0..<tokens {
                var left = (0..<w.columns).map { x[t * xStride + $0] }
                var parts: [[Float]] = []
                for _ in 0..<3 {
                    parts.append(left.map(cut))
                    left = left.map { $0.isInfinite ? 0 : $0 - cut($0) }
                }
                y[t * yStride + n] = matrixDot(row, parts) + 0
            }
        }
    }

    private func matrixDot(_ row: [Float], _ parts: [[Float]]) -> Float {
        func normal(_ value: Float) -> Float { value.isSubnormal ? value * 0 : value }
        var sum: Float = 0
        for start in stride(from: 0, to: row.count, by: 32) {
            for token in parts {
                var chains: [Float] = [0, 0]
                for k in start..<min(row.count, start + 32) {
                    chains[k & 1] = normal(chains[k & 1].addingProduct(normal(row[k]), normal(token[k])))
                }
                sum = normal(sum + normal(chains[0] + chains[1]))
            }
        }
        return sum
    }
}
