import GLMKernels
import Testing

// One token in BF16 against rows of whole lines.

private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, step: Int
) throws -> [Float] {
    let compute = Compute(kernels: .table(level), pool: ThreadPool(threads: 1), arithmetic: .bfloat16)
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

/// As in any batch, and as in the twin: rows that fill no four, rows with something between them.
@Test(arguments: levels, [WeightView.Format.bfloat16, .float8E4M3])
func pairRowsEqualTheirTwin(level: InstructionSet, format: WeightView.Format) throws {
    for (rows, columns) in [(1, 64), (2, 128), (3, 192), (4, 256), (5, 64), (9, 1088), (70, 128), (6, 4096)] {
        let w = try StoredMatrix(format, rows: rows, columns: columns, padding: rows % 3 * 8)
        let x = try activations(4 * columns)
        let alone = try product(level, w.view, x, tokens: 4, step: 1)
        let together = try product(level, w.view, x, tokens: 4, step: 4)
        #expect(bits(alone) == bits(together), "[\(rows), \(columns)]")
        let naive = try results(4 * rows) { y in
            NaiveKernels(level).pairProduct(
                w.view, x: x.floats, tokens: 4, xStride: columns, y: y, yStride: rows)
        }
        #expect(bits(alone) == bits(naive.map { BFloat16.decode(BFloat16.encode($0)) }))
    }
}

/// Blocks that end between rows, begin before the first column, or are a line long.
@Test(arguments: levels)
func pairRowsFollowTheBlocks(level: InstructionSet) throws {
    for blocks in [
        StoredMatrix.Blocks(rowOrigin: 126, columnOrigin: 64), .init(rows: 3, columns: 64),
        .init(rows: 7, columns: 1024, columnOrigin: 960),
    ] {
        let w = try StoredMatrix(.float8E4M3, rows: 11, columns: 448, blocks: blocks)
        let x = try activations(2 * 448)
        let alone = try product(level, w.view, x, tokens: 2, step: 1)
        #expect(bits(alone) == (try bits(product(level, w.view, x, tokens: 2, step: 2))), "\(blocks)")
        // Negative control: multipliers of other columns.
        var shifted = w.view
        shifted.scales?.columnOrigin += 64
        shifted.columns -= 64
        #expect(bits(alone) != (try bits(product(level, shifted, x, tokens: 2, step: 1))))
    }
}

/// Multipliers so small that weights are subnormal floats, or nearly, give the bits of the batch too.
@Test(arguments: levels, [0x1p-110, 0x1.fffp-118, 0x1.01p-126, 0] as [Float])
func pairRowsOfTinyWeights(level: InstructionSet, scale: Float) throws {
    let w = try StoredMatrix(.float8E4M3, rows: 5, columns: 128)
    let table = try GuardedBytes([scale])
    var view = w.view
    view.scales = BlockScales(base: table.base, stride: 1, blockRows: 128, blockColumns: 128)
    let x = try GuardedBytes((0..<256).map { Float($0 % 7 - 3) * 0x1p60 })
    #expect(
        try bits(product(level, view, x, tokens: 2, step: 1))
            == bits(product(level, view, x, tokens: 2, step: 2)))
}
