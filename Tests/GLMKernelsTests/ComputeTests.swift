import GLMKernels
import Testing

/// Three matrices of different formats and token counts, one of them without tokens.
private func run(_ level: InstructionSet, threads: Int, transposed: Bool) throws -> [UInt32] {
    let compute = Compute(kernels: .table(level), pool: ThreadPool(threads: threads))
    let matrices = try [
        StoredMatrix(.float32, rows: 130, columns: 70), StoredMatrix(.bfloat16, rows: 9, columns: 576),
        StoredMatrix(.float8E4M3, rows: 300, columns: 260), StoredMatrix(.bfloat16, rows: 5, columns: 5),
    ]
    let tokens = [1, 7, 50, 0]
    let inner = matrices.map { transposed ? $0.view.rows : $0.view.columns }
    let outer = matrices.map { transposed ? $0.view.columns : $0.view.rows }
    let inputs = try zip(tokens, inner).map { try activations($0 * $1) }
    let outputs = try zip(tokens, outer).map { try GuardedBytes(count: $0 * $1 * 4) }
    let groups = matrices.indices.map {
        ProductGroup(
            weight: matrices[$0].view, x: inputs[$0].floats, tokens: tokens[$0], xStride: inner[$0],
            y: outputs[$0].floats, yStride: outer[$0])
    }
    withExtendedLifetime((matrices, inputs, outputs)) {
        if transposed { compute.transposedProduct(groups) } else { compute.product(groups) }
    }
    return outputs.flatMap { output in (0..<output.count / 4).map { output.floats[$0].bitPattern } }
}

@Test(arguments: levels, [false, true])
func threadsDoNotChangeABit(level: InstructionSet, transposed: Bool) throws {
    let one = try run(level, threads: 1, transposed: transposed)
    for threads in [2, 3, 8] { #expect(try run(level, threads: threads, transposed: transposed) == one) }
    // Negative control: another level's arithmetic is seen by the same comparison.
    if level.fusesMultiplyAdd != InstructionSet.baseline.fusesMultiplyAdd {
        #expect(try run(.baseline, threads: 1, transposed: transposed) != one)
    }
}

@Test func nothingToCompute() {
    let compute = Compute(kernels: .table(.baseline), pool: ThreadPool(threads: 2))
    compute.product([])
    compute.transposedProduct([])
}
