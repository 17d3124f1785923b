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
                var total: Float = 0
                for first in stride(from: 0, to: keys.count, by: Kernels.attentionBlock) {
                    var sum: Float = 0
                    for j in first..<min(first + Kernels.attentionBlock, keys.count) {
                        sum = multiplyAdd(weights[j], keys.row(j)[c], sum)
                    }
                    total = first == 0 ? sum : total + sum
                }
                output[h * latentWidth + c] = total
            }
        }
    }

    /// The twin of `Kernels.indexScores`.
    public func indexScores(
        query: UnsafePointer<Float>, headWeights: UnsafePointer<Float>, heads: Int, scale: Float,
        keys: KeyColumns, range: Range<Int>, output: UnsafeMutablePointer<Float>
    ) {
        let dim = keys.row.latent
        var key = [Float](repeating: 0, count: dim)
        for j in range {
            let (page, slot) = j.quotientAndRemainder(dividingBy: KeyColumns.pageKeys)
            key.withUnsafeMutableBufferPointer { key in
                guard let key = key.baseAddress else { return }
                Kernels.table(.baseline).loadColumn(keys.pages[page], as: keys.row, slot: slot, into: key)
            }
            var score: Float = 0
            for h in 0..<heads {
                var dot: Float = 0
                for d in 0..<dim { dot = multiplyAdd(query[h * dim + d], key[d], dot) }
                let value = scale * dot
                score = multiplyAdd(headWeights[h], value > 0 ? value : 0, score)
            }
            output[j] = score
        }
    }
}
