extension NaiveKernels {
    /// The twin of `Kernels.attend`.
    public func attend(
        query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float, keys: KeyRows,
        scratch: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        for h in 0..<heads {
            let weights = scratch + h * keys.count
            for j in 0..<keys.count {
                let key = keys.row(j)
                weights[j] = scale * dot(width, { query[h * width + $0] }, { key[$0] })
            }
            softmax(weights, count: keys.count)
            for c in 0..<latentWidth {
                var sum: Float = 0
                for j in 0..<keys.count { sum = multiplyAdd(weights[j], keys.row(j)[c], sum) }
                output[h * latentWidth + c] = sum
            }
        }
    }

    /// The twin of `Kernels.indexScores`.
    public func indexScores(
        query: UnsafePointer<Float>, headWeights: UnsafePointer<Float>, heads: Int, dim: Int, scale: Float,
        keys: KeyRows, range: Range<Int>, output: UnsafeMutablePointer<Float>
    ) {
        for j in range {
            let key = keys.row(j)
            var score: Float = 0
            for h in 0..<heads {
                let value = scale * dot(dim, { query[h * dim + $0] }, { key[$0] })
                score = multiplyAdd(headWeights[h], value > 0 ? value : 0, score)
            }
            output[j] = score
        }
    }
}
