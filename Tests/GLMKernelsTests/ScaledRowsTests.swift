import GLMKernels
import Testing

// One token's codes against rows of whole lines of codes.

private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, step: Int
) throws -> [Float] {
    let compute = Compute(kernels: .table(level), pool: ThreadPool(threads: 1), arithmetic: .w8a8)
    return try results(tokens * w.rows) { y in
        for start in stride(from: 0, to: tokens, by: step) {
            compute.product([
                ProductGroup(
                    weight: w, x: x.floats + start * w.columns, tokens: step, xStride: w.columns,
                    y: y + start * w.rows, yStride: w.rows)
            ])
        }
    }
}

/// As in any batch, and as in the twin: rows that fill no four, blocks that end between rows, a last block cut
/// short.
@Test(arguments: levels)
func scaledRowsEqualTheirTwin(level: InstructionSet) throws {
    for (rows, columns) in [(1, 64), (2, 128), (3, 192), (5, 256), (9, 1088), (70, 128), (6, 2048)] {
        for blocks in [
            StoredMatrix.Blocks(), .init(rowOrigin: 126), .init(rows: 3, columns: 64),
            .init(columnOrigin: 256), .init(rows: 2, columns: 192),
        ] where columns % 64 == 0 && blocks.columnOrigin % blocks.columns == 0 {
            let w = try StoredMatrix(.float8E4M3, rows: rows, columns: columns, blocks: blocks)
            let x = try activations(3 * columns)
            let alone = try product(level, w.view, x, tokens: 3, step: 1)
            let together = try product(level, w.view, x, tokens: 3, step: 3)
            #expect(bits(alone) == bits(together), "[\(rows), \(columns)] \(blocks)")
            let naive = try results(3 * rows) { y in
                NaiveKernels(level).scaledProduct(
                    w.view, x: x.floats, tokens: 3, xStride: columns, y: y, yStride: rows)
            }
            #expect(bits(alone) == bits(naive), "[\(rows), \(columns)] \(blocks)")
        }
    }
}

/// Negative control: another multiplier for one block of columns.
@Test(arguments: levels)
func multipliersOfScaledRowsCount(level: InstructionSet) throws {
    let w = try StoredMatrix(.float8E4M3, rows: 5, columns: 256)
    let x = try activations(256)
    let y = try product(level, w.view, x, tokens: 1, step: 1)
    let table = try GuardedBytes([w.view.scales?.scale(0, 0) ?? 0, 0.5])
    var other = w.view
    other.scales?.base = UnsafeRawPointer(table.base)
    #expect(bits(y) != (try bits(product(level, other, x, tokens: 1, step: 1))))
}
