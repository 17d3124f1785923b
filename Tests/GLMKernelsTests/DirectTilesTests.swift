import GLMKernels
import Testing

// Rows of whole groups of columns, which meet several tokens as they are stored.

private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, rows: Range<Int>? = nil
) throws -> [Float] {
    try results(tokens * w.rows) { y in
        Kernels.table(level).product(
            w, rows: rows ?? 0..<w.rows, x: x.floats, tokens: tokens, xStride: w.columns, y: y,
            yStride: w.rows)
    }
}

private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    try results(tokens * w.rows) { y in
        NaiveKernels(level).product(
            w, rows: 0..<w.rows, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
    }
}

/// Every size of tile and one to three passes (narrower vectors than AVX-512 take panels from the third on), rows that
/// fill no four, rows with something between them.
@Test(arguments: levels, WeightView.Format.allCases)
func directTilesEqualTheirTwin(level: InstructionSet, format: WeightView.Format) throws {
    for columns in format == .float8E4M3 ? [64, 192, 320] : [16, 48, 64, 192, 240, 320] {
        for (rows, tokens) in [
            (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (9, 2), (9, 4), (10, 9), (4, 13), (5, 16),
            (3, 49),
        ] {
            let w = try StoredMatrix(format, rows: rows, columns: columns, padding: columns % 128 / 16)
            let x = try activations(tokens * columns)
            let fast = try product(level, w.view, x, tokens: tokens)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)),
                "[\(rows), \(columns)] × \(tokens)")
        }
    }
}

/// Blocks that end inside the four rows, begin before the first column, or are as short as a line.
@Test(arguments: levels, 2...8)
func directTilesFollowTheBlocks(level: InstructionSet, tokens: Int) throws {
    for blocks in [
        StoredMatrix.Blocks(rowOrigin: 126, columnOrigin: 64), .init(rows: 3, columns: 64),
        .init(rows: 1, columns: 192, columnOrigin: 128), .init(rows: 7, columns: 1024, columnOrigin: 960),
    ] {
        let w = try StoredMatrix(.float8E4M3, rows: 11, columns: 448, blocks: blocks)
        let x = try activations(tokens * 448)
        let fast = try product(level, w.view, x, tokens: tokens)
        #expect(bits(fast) == (try bits(naive(level, w.view, x, tokens: tokens))), "\(blocks)")
        // Negative control: the multipliers of the next row of blocks.
        var shifted = w.view
        shifted.scales?.rowOrigin -= min(1, blocks.rowOrigin)
        shifted.scales?.columnOrigin += 64
        shifted.columns -= 64
        #expect(bits(fast) != (try bits(product(level, shifted, x, tokens: tokens))), "\(blocks)")
    }
}

/// Long rows, and many of them: what is asked for ahead lies beyond the end.
@Test(arguments: levels, WeightView.Format.allCases)
func directTilesOfLongRows(level: InstructionSet, format: WeightView.Format) throws {
    for (rows, columns) in [(5, 6144), (130, 128)] {
        let w = try StoredMatrix(format, rows: rows, columns: columns)
        let x = try activations(5 * columns)
        let fast = try product(level, w.view, x, tokens: 5)
        #expect(try bits(fast) == bits(naive(level, w.view, x, tokens: 5)), "[\(rows), \(columns)]")
        let part = try product(level, w.view, x, tokens: 5, rows: 1..<4)
        for t in 0..<5 {
            #expect(
                bits(Array(part[t * rows + 1..<t * rows + 4]))
                    == bits(Array(fast[t * rows + 1..<t * rows + 4])))
            #expect(part[t * rows] == -12345)
        }
    }
}
