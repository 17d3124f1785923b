import CVector

extension Kernels {
    /// Scores of the lightning indexer for one query row: output[j] = Σ_h headWeights[h] · max(0, scale · q_h
    /// · key_j) for j in `range`, h ascending.
    ///
    /// - Parameters:
    ///   - query: `[heads, dim]`.
    ///   - range: which of the gathered keys; `output` is indexed by the same j.
    public func indexScores(
        query: UnsafePointer<Float>, headWeights: UnsafePointer<Float>, heads: Int, dim: Int, scale: Float,
        keys: KeyRows, range: Range<Int>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= keys.count, "keys \(range) of \(keys.count)")
        precondition(dim <= keys.width, "\(dim) ≤ \(keys.width)")
        if range.isEmpty { return }
        withPacked(query: query, heads: heads, width: dim) { packed, panel in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: heads * 4 + 4) { dots in
                guard let dots = dots.baseAddress else { return }
                for start in stride(from: range.lowerBound, to: range.upperBound, by: 4) {
                    let end = min(range.upperBound, start + 4)
                    fillPanel(keys, start..<end, width: dim, panel)
                    var job = packed
                    job.y = dots
                    job.y_stride = 4
                    runTiles(&job)
                    let scores = dots + heads * 4
                    combine(dots, headWeights, heads, scale, scores)
                    (output + start).update(from: scores, count: end - start)
                }
            }
        }
    }

    @inline(never)
    private func combine(
        _ dots: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ heads: Int, _ scale: Float,
        _ scores: UnsafeMutablePointer<Float>
    ) {
        switch level {
        case .avx512: index_combine_avx512(dots, weights, heads, scale, scores)
        case .avx2: index_combine_avx2(dots, weights, heads, scale, scores)
        case .baseline: index_combine_baseline(dots, weights, heads, scale, scores)
        }
    }
}

@c @implementation
func index_combine_baseline(
    _ dots: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ heads: Int, _ scale: Float,
    _ scores: UnsafeMutablePointer<Float>
) {
    let factor = f32x4_all(scale), zero = f32x4_all(0)
    var score = zero
    var h = 0
    while h < heads {
        let value = f32x4_larger(f32x4_multiply(f32x4_load(dots + h &* 4), factor), zero)
        score = f32x4_multiply_add(f32x4_all(weights[h]), value, score)
        h &+= 1
    }
    f32x4_store(scores, score)
}
