extension NaiveKernels {
    /// The twin of `Kernels.attend`.
    public func attend(
        query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float, keys: KeyRows,
        scratch: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        for h in 0..<heads {
            let sums = output + h * latentWidth
            var all = SoftmaxSum(largest: -.infinity, sum: 0)
            for first in stride(from: 0, to: keys.count, by: Kernels.attentionBlock) {
                let block = first..<min(first + Kernels.attentionBlock, keys.count)
                for j in block {
                    let key = keys.row(j)
                    scratch[j - first] = dot(width, { query[h * width + $0] }, { key[$0] })
                }
                let found = softmaxWeights(scratch, scale: scale, count: block.count)
                let values = (0..<latentWidth).map { c in
                    block.reduce(Float(0)) { multiplyAdd(scratch[$1 - first], keys.row($1)[c], $0) }
                }
                if first == 0 {
                    sums.update(from: values, count: latentWidth)
                    all = found
                } else {
                    softmaxMerge(values, found, count: latentWidth, into: sums, &all)
                }
            }
            let inverse = 1 / all.sum
            for c in 0..<latentWidth { sums[c] = keys.count == 0 ? 0 : sums[c] * inverse }
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
