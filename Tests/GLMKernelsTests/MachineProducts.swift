import GLMKernels

/// Products of one matrix through a machine, all tokens at once or `step` at a time.
func products(
    _ compute: Compute, _ w: WeightView, _ x: GuardedBytes, tokens: Int, step: Int? = nil
) throws -> [Float] {
    try results(tokens * w.rows) { y in
        for start in stride(from: 0, to: tokens, by: step ?? max(1, tokens)) {
            let count = min(step ?? tokens, tokens - start)
            compute.product([
                ProductGroup(
                    weight: w, x: x.floats + start * w.columns, tokens: count, xStride: w.columns,
                    y: y + start * w.rows, yStride: w.rows)
            ])
        }
    }
}
