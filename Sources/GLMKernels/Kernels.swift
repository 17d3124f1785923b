/// The loops of the engine at one instruction-set level, all single-threaded.
///
/// No result depends on how a range of rows, columns, tokens or keys is cut into calls: every output element has one order of
/// additions, fixed by the shape alone. The order is stated at `NaiveKernels`. Outputs never overlap inputs unless a kernel
/// says "in place"; every row-wise kernel may write over its first input.
public struct Kernels: Sendable {
    public let level: InstructionSet

    /// The kernels of `level`, or of the best level below it that this process can run.
    public static func table(_ level: InstructionSet) -> Kernels { Kernels(level: min(level, .best)) }

    var naive: NaiveKernels { NaiveKernels(level) }
}

extension Kernels {
    /// y[t, n] = Σ_k w[n, k] · x[t, k] for n in `rows` and all tokens; element (t, n) goes to `y[t * yStride + n]`.
    ///
    /// - Precondition: `rows` lies in the matrix; x is `[tokens, w.columns]` with row stride `xStride`.
    public func product(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int, y: UnsafeMutablePointer<Float>,
        yStride: Int
    ) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= w.rows, "rows \(rows) of \(w.rows)")
        naive.product(w, rows: rows, x: x, tokens: tokens, xStride: xStride, y: y, yStride: yStride)
    }

    /// y[t, c] = Σ_r x[t, r] · w[r, c] for c in `columns` and all tokens, r ascending; goes to `y[t * yStride + c]`.
    ///
    /// - Precondition: `columns` lies in the matrix; x is `[tokens, w.rows]` with row stride `xStride`.
    public func transposedProduct(
        _ w: WeightView, columns: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        precondition(columns.lowerBound >= 0 && columns.upperBound <= w.columns, "columns \(columns) of \(w.columns)")
        naive.transposedProduct(w, columns: columns, x: x, tokens: tokens, xStride: xStride, y: y, yStride: yStride)
    }

    /// Latent attention of one query row over gathered cache rows, each head for itself:
    /// output_h = Σ_j softmax_j(scale · q_h · key_j) · key_j[0 ..< latentWidth], positions ascending as gathered.
    ///
    /// - Parameters:
    ///   - query: `[heads, width]`.
    ///   - keys: rows of at least `width` floats. No rows give zeros.
    ///   - scratch: `[heads, keys.count]`, left with the attention weights.
    ///   - output: `[heads, latentWidth]`.
    /// - Precondition: `latentWidth ≤ width ≤ keys.width`.
    public func attend(
        query: UnsafePointer<Float>, heads: Int, width: Int, latentWidth: Int, scale: Float, keys: KeyRows,
        scratch: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(latentWidth <= width && width <= keys.width, "\(latentWidth) ≤ \(width) ≤ \(keys.width)")
        naive.attend(
            query: query, heads: heads, width: width, latentWidth: latentWidth, scale: scale, keys: keys, scratch: scratch,
            output: output)
    }

    /// Scores of the lightning indexer for one query row: output[j] = Σ_h headWeights[h] · max(0, scale · q_h · key_j) for j in
    /// `range`, h ascending.
    ///
    /// - Parameters:
    ///   - query: `[heads, dim]`.
    ///   - range: which of the gathered keys; `output` is indexed by the same j.
    public func indexScores(
        query: UnsafePointer<Float>, headWeights: UnsafePointer<Float>, heads: Int, dim: Int, scale: Float, keys: KeyRows,
        range: Range<Int>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= keys.count, "keys \(range) of \(keys.count)")
        precondition(dim <= keys.width, "\(dim) ≤ \(keys.width)")
        naive.indexScores(
            query: query, headWeights: headWeights, heads: heads, dim: dim, scale: scale, keys: keys, range: range,
            output: output)
    }
}
