package import GLMKernels
package import GLMTensor

/// RMSNorm(x) = x · rsqrt(mean(x²) + ε) ⊙ w, row by row, in Float32.
///
/// Source: specification §3; transformers `GlmMoeDsaRMSNorm`.
package struct RMSNorm: Sendable {
    package let weight: [Float]
    package let epsilon: Float
    package let compute: Compute

    package init(weight: [Float], epsilon: Float, compute: Compute) {
        self.weight = weight
        self.epsilon = epsilon
        self.compute = compute
    }

    /// `[rows, width]` → `[rows, width]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        precondition(x.width == weight.count, "RMSNorm of width \(weight.count) was given \(x.shape)")
        return unsafe compute.mapRows(of: x, width: x.width) { input, output in
            unsafe weight.withUnsafeBufferPointer { weight in
                guard let weight = weight.baseAddress else { return }
                unsafe compute.kernels.rmsNorm(
                    input, weight: weight, epsilon: epsilon, count: x.width, output: output)
                unsafe compute.store(output, count: x.width)
            }
        }
    }
}

/// LayerNorm(x) = (x − mean(x)) · rsqrt(var(x) + ε) ⊙ w + b, row by row: the norm of the indexer's keys.
///
/// Source: specification §5, step 2 (ε is 1e-6 there, not the model's).
package struct LayerNorm: Sendable {
    package let weight: [Float]
    package let bias: [Float]
    package let epsilon: Float
    package let compute: Compute

    package init(weight: [Float], bias: [Float], epsilon: Float, compute: Compute) {
        precondition(weight.count == bias.count, "weight of \(weight.count) and bias of \(bias.count)")
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        self.compute = compute
    }

    /// `[rows, width]` → `[rows, width]`.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        precondition(x.width == weight.count, "LayerNorm of width \(weight.count) was given \(x.shape)")
        return unsafe compute.mapRows(of: x, width: x.width) { input, output in
            unsafe weight.withUnsafeBufferPointer { weight in
                unsafe bias.withUnsafeBufferPointer { bias in
                    guard let weight = weight.baseAddress, let bias = bias.baseAddress else { return }
                    unsafe compute.kernels.layerNorm(
                        input, weight: weight, bias: bias, epsilon: epsilon, count: x.width, output: output)
                    unsafe compute.store(output, count: x.width)
                }
            }
        }
    }
}

extension Compute {
    /// Rows handed out together, so that a region of few short rows stays on one thread.
    private static let rowsPerChunk = 8

    /// Applies `body` to every row of `x`, in parallel; `body` writes one row of `width` elements.
    package func mapRows(
        of x: Tensor, width: Int, _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) -> Tensor {
        let rows = x.rowCount
        let inputWidth = x.width
        return unsafe Tensor(rows: rows, width: width) { output in
            unsafe x.values.withUnsafeBufferPointer { input in
                guard let input = input.baseAddress else { return }
                forEachRow(rows) { row in
                    unsafe body(input + row * inputWidth, output + row * width)
                }
            }
        }
    }

    /// Calls `body` once for every row, in parallel, a few rows to a chunk.
    package func forEachRow(_ rows: Int, _ body: (Int) -> Void) {
        let size = Compute.rowsPerChunk
        pool.parallel((rows + size - 1) / size) { chunk in
            for row in (chunk * size)..<min(rows, (chunk + 1) * size) { body(row) }
        }
    }
}
