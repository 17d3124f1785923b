import GLMKernels
import Testing

private func transposed(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, columns: [Range<Int>]? = nil
) throws -> [Float] {
    try results(tokens * w.columns) { y in
        for range in columns ?? [0..<w.columns] {
            Kernels.table(level).transposedProduct(
                w, columns: range, x: x.floats, tokens: tokens, xStride: w.rows, y: y, yStride: w.columns)
        }
    }
}

private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    try results(tokens * w.columns) { y in
        NaiveKernels(level).transposedProduct(
            w, columns: 0..<w.columns, x: x.floats, tokens: tokens, xStride: w.rows, y: y, yStride: w.columns)
    }
}

@Test(arguments: levels, WeightView.Format.allCases)
func transposedEqualsItsTwin(level: InstructionSet, format: WeightView.Format) throws {
    for (rows, columns) in [
        (1, 1), (7, 16), (8, 17), (9, 15), (129, 63), (130, 64), (192, 130), (257, 65), (3, 576),
    ] {
        for tokens in [1, 2, 3, 4, 5, 6, 7, 8, 9, 13] {
            let w = try StoredMatrix(format, rows: rows, columns: columns, padding: rows % 2)
            let x = try activations(tokens * rows)
            let fast = try transposed(level, w.view, x, tokens: tokens)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)),
                "[\(rows), \(columns)] × \(tokens)")
        }
    }
}

@Test(arguments: levels)
func transposedBlocksOfAnyShape(level: InstructionSet) throws {
    for blocks in [
        StoredMatrix.Blocks(rows: 3, columns: 5), .init(rows: 64, columns: 16),
        .init(rowOrigin: 127, columnOrigin: 121), .init(rowOrigin: 100, columnOrigin: 112),
    ] {
        let w = try StoredMatrix(.float8E4M3, rows: 140, columns: 150, blocks: blocks)
        for tokens in [1, 4, 8] {
            let x = try activations(tokens * 140)
            let fast = try transposed(level, w.view, x, tokens: tokens)
            #expect(try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)), "\(blocks)")
            var shifted = w.view
            shifted.scales?.rowOrigin -= 1
            if blocks.rowOrigin > 0 {
                #expect(bits(fast) != (try bits(transposed(level, shifted, x, tokens: tokens))))
            }
        }
    }
}

/// Lines of codes that one token meets with all rows at a time: one line to nine, blocks of one line and of several that begin before
/// the first, stretches of rows of every length, columns of a wider matrix.
@Test(arguments: levels)
func linesOfCodesEqualTheirTwin(level: InstructionSet) throws {
    for (rows, columns) in [(1, 64), (140, 128), (200, 256), (129, 320), (70, 576)] {
        for blocks in [
            StoredMatrix.Blocks(rows: 128, columns: 128), .init(rows: 3, columns: 64),
            .init(rowOrigin: 127, columnOrigin: 64),
            .init(rows: 16, columns: 192, rowOrigin: 5, columnOrigin: 128),
        ] {
            let w = try StoredMatrix(
                .float8E4M3, rows: rows, columns: columns, padding: rows % 2 * 7, blocks: blocks)
            #expect(Kernels.table(level).sumsLines(w.view, tokens: 1) == (level >= .avx512))
            let x = try activations(rows)
            let fast = try transposed(level, w.view, x, tokens: 1)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: 1)), "[\(rows), \(columns)], \(blocks)"
            )
            // Negative control: a line with the scales of its neighbour shows.
            guard blocks.columnOrigin > 0, columns > 64 else { continue }
            var other = w.view
            other.scales?.columnOrigin -= 64
            #expect(try bits(transposed(level, other, x, tokens: 1)) != bits(fast))
        }
    }
    // Cut between its lines, a matrix gives the same.
    let wide = try StoredMatrix(.float8E4M3, rows: 70, columns: 576, blocks: .init(columnOrigin: 64))
    let x = try activations(70)
    let cuts = [0..<64, 64..<320, 320..<576]
    #expect(
        try bits(transposed(level, wide.view, x, tokens: 1, columns: cuts))
            == bits(transposed(level, wide.view, x, tokens: 1)))
    // What has lines that two blocks share, or several tokens, takes another way.
    let shared = try StoredMatrix(.float8E4M3, rows: 9, columns: 128, blocks: .init(columnOrigin: 32))
    #expect(!Kernels.table(level).sumsLines(shared.view, tokens: 1))
    let whole = try StoredMatrix(.float8E4M3, rows: 9, columns: 128)
    #expect(!Kernels.table(level).sumsLines(whole.view, tokens: 2))
}

@Test(arguments: levels, WeightView.Format.allCases)
func transposedCutsAndTokensAreEqual(level: InstructionSet, format: WeightView.Format) throws {
    let w = try StoredMatrix(format, rows: 150, columns: 200)
    let x = try activations(9 * 150)
    let whole = try transposed(level, w.view, x, tokens: 9)
    let cuts = [0..<3, 3..<70, 70..<134, 134..<200]
    #expect(try bits(transposed(level, w.view, x, tokens: 9, columns: cuts)) == bits(whole))
    let single = try transposed(level, w.view, x, tokens: 1)
    #expect(try bits(transposed(level, w.view, x, tokens: 1, columns: cuts)) == bits(single))
    #expect(bits(single) == bits(Array(whole.prefix(200))))
    // Negative control: the rows in the opposite order give other bits.
    var backwards: [Float] = []
    for c in 0..<200 {
        backwards.append((0..<150).reversed().reduce(0) { x.floats[$1] * w.view.value($1, c) + $0 })
    }
    #expect(bits(backwards) != bits(single))
}

@Test(arguments: levels)
func emptyTransposedProducts(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 0, columns: 70)
    for tokens in [1, 3] {
        let y = try transposed(level, w.view, try activations(0), tokens: tokens)
        #expect(y == [Float](repeating: 0, count: tokens * 70))
    }
}
