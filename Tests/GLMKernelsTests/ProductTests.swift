import GLMKernels
import Testing

private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, rows: [Range<Int>]? = nil
) throws -> [Float] {
    try results(tokens * w.rows) { y in
        for range in rows ?? [0..<w.rows] {
            Kernels.table(level).product(
                w, rows: range, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
        }
    }
}

private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    try results(tokens * w.rows) { y in
        NaiveKernels(level).product(
            w, rows: 0..<w.rows, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
    }
}

private let awkward = [1, 7, 8, 9, 15, 16, 17, 127, 129, 130, 576]

@Test(arguments: levels, WeightView.Format.allCases)
func productEqualsItsTwin(level: InstructionSet, format: WeightView.Format) throws {
    for columns in awkward {
        for (rows, tokens) in [
            (1, 1), (4, 1), (7, 1), (5, 2), (9, 3), (3, 4), (6, 5), (4, 6), (5, 7), (2, 13), (3, 49),
        ] {
            let w = try StoredMatrix(format, rows: rows, columns: columns, padding: columns % 3)
            let x = try activations(tokens * columns)
            let fast = try product(level, w.view, x, tokens: tokens)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)),
                "[\(rows), \(columns)] × \(tokens)")
        }
    }
}

/// Long rows cross the strips and the packed stretches.
@Test(arguments: levels, WeightView.Format.allCases)
func longRowsEqualTheirTwin(level: InstructionSet, format: WeightView.Format) throws {
    for (columns, tokens) in [(4999, 1), (1100, 2), (5003, 47), (2500, 51)] {
        let w = try StoredMatrix(format, rows: 6, columns: columns)
        let x = try activations(tokens * columns)
        let fast = try product(level, w.view, x, tokens: tokens)
        #expect(try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)), "\(columns) × \(tokens)")
    }
}

/// Error of one rounding per addition along the longest chain.
@Test(arguments: levels, WeightView.Format.allCases)
func productIsCloseToExact(level: InstructionSet, format: WeightView.Format) throws {
    let w = try StoredMatrix(format, rows: 17, columns: 577)
    let x = try activations(3 * 577)
    let y = try product(level, w.view, x, tokens: 3)
    for t in 0..<3 {
        for n in 0..<17 {
            let terms = (0..<577).map { Double(w.view.value(n, $0)) * Double(x.floats[t * 577 + $0]) }
            let exact = terms.reduce(0, +), size = terms.reduce(0) { $0 + abs($1) }
            #expect(abs(Double(y[t * 17 + n]) - exact) <= size * 0x1p-24 * (577 / 16 + 6))
        }
    }
}

/// Block borders anywhere: inside a group of 16, inside four rows, before the first row and column.
@Test(arguments: levels)
func blocksOfAnyShape(level: InstructionSet) throws {
    let shapes = [
        StoredMatrix.Blocks(), .init(rows: 1, columns: 16), .init(rows: 3, columns: 5),
        .init(rows: 128, columns: 48), .init(rowOrigin: 126, columnOrigin: 112),
        .init(rowOrigin: 127, columnOrigin: 121), .init(rows: 5, columns: 130, rowOrigin: 3, columnOrigin: 1),
        .init(columnOrigin: 64),
    ]
    for blocks in shapes {
        for (columns, tokens) in [(300, 1), (300, 2), (300, 8), (17, 1), (700, 7)] {
            let w = try StoredMatrix(.float8E4M3, rows: 9, columns: columns, blocks: blocks)
            let x = try activations(tokens * columns)
            let fast = try product(level, w.view, x, tokens: tokens)
            #expect(bits(fast) == (try bits(naive(level, w.view, x, tokens: tokens))), "\(blocks) \(columns)")
            // Negative control: blocks that begin elsewhere, or are larger, are noticed.
            var shifted = w.view
            if blocks.columnOrigin > 0 {
                shifted.scales?.columnOrigin -= 1
            } else {
                shifted.scales?.blockColumns += 16
            }
            if columns > blocks.columns {
                #expect(bits(fast) != (try bits(product(level, shifted, x, tokens: tokens))))
            }
        }
    }
}

/// Every finite code as weight, with a scale that makes the product round.
@Test(arguments: levels, [1, 9])
func allFloat8CodesInProducts(level: InstructionSet, tokens: Int) throws {
    let bytes = try GuardedBytes(count: 256)
    for code in 0..<256 {
        bytes.base.storeBytes(
            of: UInt8(code) & 0x7f == 0x7f ? 0 : UInt8(code), toByteOffset: code, as: UInt8.self)
    }
    for scale in [1, 0.1, 255.9, 1e-20, -3] as [Float] {
        let table = try GuardedBytes([scale])
        let w = WeightView(
            format: .float8E4M3, base: bytes.base, rows: 256, columns: 1,
            scales: BlockScales(base: table.base, stride: 1, blockRows: 256, blockColumns: 128))
        let x = try GuardedBytes([Float](repeating: 1, count: tokens))
        let y = try product(level, w, x, tokens: tokens)
        for code in 0..<256 where code & 0x7f != 0x7f {
            // The sum of 16 lanes that starts from +0 turns −0 into +0.
            let expected = Float8E4M3.decode(UInt8(code)) * scale + 0
            for t in 0..<tokens {
                #expect(y[t * 256 + code].bitPattern == expected.bitPattern, "\(code) × \(scale)")
            }
        }
    }
}

/// The scale enters the activation, which is rounded then, and the code meets that. Tiny and huge factors keep
/// their places down to products of 2⁻¹⁰².
@Test(arguments: levels, [1, 5, 9])
func scalesEnterTheActivations(level: InstructionSet, tokens: Int) throws {
    let code = try GuardedBytes(count: 1)
    code.base.storeBytes(of: 0x39, as: UInt8.self)
    var otherwise = 0
    for (scale, x) in [(0.1, 0.7), (255.9, 65000), (1e-20, 1e-9), (-3, 1e9), (1e-30, 1e30)]
        as [(Float, Float)]
    {
        let table = try GuardedBytes([scale])
        let w = WeightView(
            format: .float8E4M3, base: code.base, rows: 1, columns: 1,
            scales: BlockScales(base: table.base, stride: 1, blockRows: 128, blockColumns: 128))
        let y = try product(level, w, GuardedBytes([Float](repeating: x, count: tokens)), tokens: tokens)
        #expect(y == [Float](repeating: 1.125 * (x * scale), count: tokens), "\(scale) · \(x)")
        // Negative control: a scale that entered the weight is rounded elsewhere.
        if y[0] != 1.125 * scale * x { otherwise += 1 }
    }
    #expect(otherwise > 0)
}

@Test(arguments: levels, [1, 9])
func allBFloat16CodesInProducts(level: InstructionSet, tokens: Int) throws {
    let bytes = try GuardedBytes(count: 65536 * 2 + 1)
    for code in 0..<65536 {
        bytes.base.storeBytes(of: UInt16(code), toByteOffset: code * 2 + 1, as: UInt16.self)
    }
    let w = WeightView(format: .bfloat16, base: bytes.base + 1, rows: 65536, columns: 1)
    let y = try product(level, w, try GuardedBytes([Float](repeating: 1, count: tokens)), tokens: tokens)
    var wrong = 0
    for t in 0..<tokens {
        for code in 0..<65536 {
            let expected = BFloat16.decode(UInt16(code)) + 0, found = y[t * 65536 + code]
            if expected.isNaN ? !found.isNaN : found.bitPattern != expected.bitPattern { wrong += 1 }
        }
    }
    #expect(wrong == 0)
}

@Test(arguments: levels, WeightView.Format.allCases)
func manyTokensEqualOneByOne(level: InstructionSet, format: WeightView.Format) throws {
    let columns = 1337, rows = 11
    let w = try StoredMatrix(format, rows: rows, columns: columns)
    let x = try activations(101 * columns)
    let single = try (0..<101).flatMap { t in
        try results(rows) { y in
            Kernels.table(level).product(
                w.view, rows: 0..<rows, x: x.floats + t * columns, tokens: 1, xStride: 0, y: y, yStride: 0)
        }
    }
    for tokens in [2, 3, 6, 7, 12, 13, 48, 49, 101] {
        let together = try product(level, w.view, x, tokens: tokens)
        #expect(bits(together) == bits(Array(single.prefix(tokens * rows))), "\(tokens) tokens")
    }
}

@Test(arguments: levels, WeightView.Format.allCases)
func anyCutOfTheRowsIsEqual(level: InstructionSet, format: WeightView.Format) throws {
    let w = try StoredMatrix(
        format, rows: 23, columns: 130, blocks: .init(rows: 8, columns: 64, rowOrigin: 5))
    for tokens in [1, 8] {
        let x = try activations(tokens * 130)
        let whole = try product(level, w.view, x, tokens: tokens)
        for cuts in [[0..<1, 1..<23], [0..<5, 5..<6, 6..<19, 19..<23], [0..<22, 22..<23]] as [[Range<Int>]] {
            #expect(bits(whole) == (try bits(product(level, w.view, x, tokens: tokens, rows: cuts))))
        }
        let part = w.view.rows(7..<18)
        let y = try product(level, part, x, tokens: tokens)
        for t in 0..<tokens {
            #expect(bits(Array(y[t * 11..<t * 11 + 11])) == bits(Array(whole[t * 23 + 7..<t * 23 + 18])))
        }
    }
}

/// Negative control of the twin itself: two accumulators taken in turn, the usual way to hide latency, are
/// another order.
@Test(arguments: levels)
func twoAccumulatorsAreNoticed(level: InstructionSet) throws {
    let w = try StoredMatrix(.float32, rows: 1, columns: 512)
    let x = try activations(512)
    let twin = NaiveKernels(level)
    let halves = (0..<2).map { half in
        let k = (0..<256).map { $0 / 16 * 32 + half * 16 + $0 % 16 }
        return twin.dot(256, { w.view.value(0, k[$0]) }, { x.floats[k[$0]] })
    }
    #expect(try product(level, w.view, x, tokens: 1)[0] != halves[0] + halves[1])
}

@Test func levelsThatFuseDifferFromTheBaseline() throws {
    let w = try StoredMatrix(.float32, rows: 40, columns: 512)
    let x = try activations(512)
    let all = try levels.map { try bits(product($0, w.view, x, tokens: 1)) }
    for (level, result) in zip(levels, all) {
        #expect((result == all[0]) == (level.fusesMultiplyAdd == InstructionSet.baseline.fusesMultiplyAdd))
    }
}

@Test(arguments: levels)
func emptyProducts(level: InstructionSet) throws {
    let w = try StoredMatrix(.float32, rows: 5, columns: 0)
    let x = try activations(0)
    for tokens in [1, 9] {
        #expect(try product(level, w.view, x, tokens: tokens) == [Float](repeating: 0, count: tokens * 5))
    }
    #expect(try product(level, w.view, x, tokens: 0) == [])
}

/// A product of the same matrix with tokens that differ in their last column only.
private func otherLastColumn(
    _ kernels: Kernels, _ w: StoredMatrix, _ x: GuardedBytes, tokens: Int
) throws -> [Float] {
    let (rows, columns) = (w.view.rows, w.view.columns)
    let x = try GuardedBytes(
        (0..<tokens * columns).map { $0 % columns == columns - 1 ? x.floats[$0] + 1 : x.floats[$0] })
    return try results(tokens * rows) {
        kernels.product(
            w.view, rows: 0..<rows, x: x.floats, tokens: tokens, xStride: columns, y: $0, yStride: rows)
    }
}

/// How weights are asked for, and how long before, shows in no result: streams of one row to ten, longer than what is asked ahead
/// and shorter, with something between them and without.
@Test(arguments: levels, WeightView.Format.allCases)
func hintsChangeNothing(level: InstructionSet, format: WeightView.Format) throws {
    let shapes = [
        (1, 192, 0), (7, 64, 4), (40, 192, 0), (11, 1000, 0), (20, 2112, 6), (5, 30, 0), (300, 100, 0),
    ]
    for (rows, columns, padding) in shapes {
        // Of FP8 the first stretch of equal scales may be short.
        let w = try StoredMatrix(
            format, rows: rows, columns: columns, padding: padding, blocks: .init(rowOrigin: 5))
        let x = try activations(9 * columns, seed: 2)
        for tokens in [1, 3, 9] {
            let plain = try results(tokens * rows) {
                NaiveKernels(level).product(
                    w.view, rows: 0..<rows, x: x.floats, tokens: tokens, xStride: columns, y: $0,
                    yStride: rows)
            }
            for (once, way) in [true, false].flatMap({ once in FetchWay.allCases.map { (once, $0) } }) {
                let kernels = Kernels.table(level).fetching(once: once).fetching(FetchWays(way))
                // The choice is not the machine's.
                #expect(kernels.fetchesOnce == once && kernels.fetchWays == FetchWays(way))
                let made = try results(tokens * rows) {
                    kernels.product(
                        w.view, rows: 0..<rows, x: x.floats, tokens: tokens, xStride: columns, y: $0,
                        yStride: rows)
                }
                #expect(bits(made) == bits(plain), "\(rows) rows, \(tokens) tokens, \(way)")
                // Negative control: the last column, behind which nothing is asked for, does show.
                #expect(
                    bits(try otherLastColumn(kernels, w, x, tokens: tokens)) != bits(plain),
                    "\(rows) rows, \(tokens) tokens")
            }
        }
    }
}

/// Whether BF16 weights are decoded once or by every tile shows in no result: two tiles and three, whole groups of
/// columns, rows that fill no four, rows with something between them, k in one strip, in two and in two stretches.
@Test(arguments: levels, [48, 192, 1040, 2064])
func decodingOnceChangesNothing(level: InstructionSet, columns: Int) throws {
    let w = try StoredMatrix(.bfloat16, rows: 11, columns: columns, padding: columns % 128 / 16)
    let x = try activations(50 * columns, seed: 4)
    for tokens in [6, 12, 13, 50] {
        func product(_ kernels: Kernels) throws -> [Float] {
            try results(tokens * 11) {
                kernels.product(
                    w.view, rows: 0..<11, x: x.floats, tokens: tokens, xStride: columns, y: $0, yStride: 11)
            }
        }
        let plain = try results(tokens * 11) {
            NaiveKernels(level).product(
                w.view, rows: 0..<11, x: x.floats, tokens: tokens, xStride: columns, y: $0, yStride: 11)
        }
        for inMultipliers in [true, false] {
            let made = try product(Kernels.table(level).decoding(inMultipliers: inMultipliers))
            #expect(bits(made) == bits(plain), "\(tokens) tokens, \(inMultipliers)")
            // Two roads were taken.
            let isDirect = Kernels.table(level).decoding(inMultipliers: inMultipliers).multipliesDirectly(
                w.view, tokens: tokens)
            #expect(isDirect == (level < .avx512 ? tokens == 6 : tokens <= 12 || !inMultipliers))
        }
    }
}

/// Which factors of a product of FP8 weights are lifted is nobody's business: subnormal codes, multipliers on both sides of
/// the least that is lifted, activations that are subnormal floats; alone, in registers and in panels.
@Test(arguments: levels, [1, 0x1p-39, 0x1p-40, 0x1p-41, 0x1p-126, 0] as [Float])
func liftsChangeNothing(level: InstructionSet, scale: Float) throws {
    let w = try StoredMatrix(.float8E4M3, rows: 9, columns: 192)
    let table = try GuardedBytes([Float](repeating: scale, count: 2))
    var view = w.view
    view.scales = BlockScales(base: table.base, stride: 2, blockRows: 128, blockColumns: 128)
    for unit in [1, 0x1p-126, 0x1p-149] as [Float] {
        let x = try GuardedBytes((0..<50 * 192).map { Float($0 % 15 - 7) * unit })
        func product(_ kernels: Kernels, _ tokens: Int, _ step: Int) throws -> [Float] {
            try results(tokens * 9) { y in
                for start in stride(from: 0, to: tokens, by: step) {
                    kernels.product(
                        view, rows: 0..<9, x: x.floats + start * 192, tokens: min(step, tokens - start),
                        xStride: 192, y: y + start * 9, yStride: 9)
                }
            }
        }
        let kernels = Kernels.table(level)
        let alone = try product(kernels, 50, 1)
        #expect(scale == 0 || scale < 0x1p-41 || unit < 1 || alone.contains { $0 != 0 })
        for avoids in [true, false] {
            for step in [2, 3, 6, 8, 9, 50] {
                let together = try product(kernels.avoiding(subnormals: avoids), 50, step)
                #expect(bits(together) == bits(alone), "\(step) tokens, \(unit), \(avoids)")
            }
        }
    }
}
