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

/// Products over the same tokens share the packed form; products over other tokens, columns or strides must
/// not.
@Test func sharedTokensArePackedOnce() throws {
    let first = try StoredMatrix(.bfloat16, rows: 20, columns: 130),
        second = try StoredMatrix(.float32, rows: 8, columns: 130)
    let narrow = try StoredMatrix(.float32, rows: 8, columns: 129)
    let x = try activations(101 * 131)
    // matrix, first token, tokens, stride
    let uses = [
        (first, 0, 100, 130), (second, 0, 100, 130), (second, 1, 100, 130), (second, 1, 100, 131),
        (narrow, 1, 100, 131),
    ]
    for level in levels {
        let compute = Compute(kernels: .table(level), pool: ThreadPool(threads: 2))
        let outputs = try uses.map { try GuardedBytes(count: 100 * $0.0.view.rows * 4) }
        let groups = zip(uses, outputs).map { use, output in
            ProductGroup(
                weight: use.0.view, x: x.floats + use.1 * use.3, tokens: use.2, xStride: use.3,
                y: output.floats,
                yStride: use.0.view.rows)
        }
        for _ in 0..<2 {
            compute.product(groups)
            for (group, output) in zip(groups, outputs) {
                let alone = try results(output.count / 4) {
                    var single = group
                    single.y = $0
                    compute.product([single])
                }
                #expect(bits(alone) == (0..<alone.count).map { output.floats[$0].bitPattern })
            }
        }
    }
}

/// More activations than are packed at once: the region is halved, by groups and then by tokens.
@Test(arguments: [ProductArithmetic.float32, .bfloat16])
func longActivationsGoInParts(arithmetic: ProductArithmetic) throws {
    let columns = 40_000, tokens = 240
    let w = try StoredMatrix(.bfloat16, rows: 2, columns: columns)
    let x = try activations(tokens * columns), y = try GuardedBytes(count: 2 * tokens * 2 * 4)
    let compute = Compute(
        kernels: .table(.best), pool: ThreadPool(threads: 2), arithmetic: arithmetic)
    compute.product(
        (0..<2).map {
            ProductGroup(
                weight: w.view, x: x.floats, tokens: tokens, xStride: columns, y: y.floats + $0 * tokens * 2,
                yStride: 2)
        })
    for t in [0, 1, 119, 120, 239] {
        let alone = try results(2) {
            compute.product([
                ProductGroup(
                    weight: w.view, x: x.floats + t * columns, tokens: 1, xStride: columns, y: $0, yStride: 2)
            ])
        }
        for part in 0..<2 {
            #expect(
                (0..<2).map { y.floats[(part * tokens + t) * 2 + $0].bitPattern } == bits(alone), "token \(t)"
            )
        }
    }
}
