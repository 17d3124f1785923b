import GLMKernels
import Testing

/// Float32 products at one level, on matrix registers where there are some.
private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, threads: Int = 1,
    step: Int? = nil
) throws -> [Float] {
    let compute = Compute(
        kernels: .table(level), pool: ThreadPool(threads: threads))
    return try products(compute, w, x, tokens: tokens, step: step)
}

/// Float32 activations and BF16 weights as every level multiplies them.
private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    try results(tokens * w.rows) { y in
        let kernels = NaiveKernels(level)
        if kernels.multipliesMatrices {
            kernels.matrixProduct(w, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
        } else {
            kernels.product(
                w, rows: 0..<w.rows, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
        }
    }
}

@Test(arguments: levels)
func exactProductsEqualTheirTwin(level: InstructionSet) throws {
    for columns in [1, 15, 16, 17, 31, 32, 33, 64, 127, 128, 129, 300, 512, 768, 2049, 4500] {
        for (rows, tokens) in [
            (1, 1), (4, 1), (7, 1), (16, 1), (33, 1), (5, 2), (9, 3), (3, 4), (40, 5), (17, 6), (5, 7),
            (32, 10),
            (70, 13), (3, 50), (21, 50), (130, 1), (21, 17), (31, 32), (40, 20), (33, 17), (17, 33), (5, 48),
            (40, 4), (33, 2), (48, 3),
        ] {
            let w = try StoredMatrix(.bfloat16, rows: rows, columns: columns, padding: columns % 3)
            let x = try activations(tokens * columns)
            let fast = try product(level, w.view, x, tokens: tokens)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)),
                "[\(rows), \(columns)] × \(tokens)")
        }
    }
}

/// Weights of 1 on the diagonal give activations back, to the last bit: no part of them is lost.
@Test(arguments: levels)
func theIdentityGivesActivationsBack(level: InstructionSet) throws {
    let n = 150
    let identity = try GuardedBytes(count: n * n * 2)
    identity.base.initializeMemory(as: UInt8.self, repeating: 0, count: n * n * 2)
    for k in 0..<n {
        identity.base.storeBytes(of: BFloat16.encode(1), toByteOffset: (k * n + k) * 2, as: UInt16.self)
    }
    let w = WeightView(format: .bfloat16, base: identity.base, rows: n, columns: n)
    let x = try activations(9 * n)
    let expected = (0..<9 * n).map { x.floats[$0].bitPattern }
    #expect(try bits(product(level, w, x, tokens: 9)) == expected)
    // Control: all three codes of an activation are needed, since many have more than 16 bits.
    #expect(expected.count { $0 & 0xff != 0 } > 9 * n / 2)
}

/// As close as Float32 is: the sums of three parts round no more than one sum would.
@Test(arguments: levels)
func exactProductsAreCloseToExact(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 17, columns: 577)
    let x = try activations(3 * 577)
    func isClose(_ y: [Float]) -> Bool {
        (0..<3 * 17).allSatisfy { index in
            let (t, n) = index.quotientAndRemainder(dividingBy: 17)
            let terms = (0..<577).map { Double(w.view.value(n, $0)) * Double(x.floats[t * 577 + $0]) }
            let exact = terms.reduce(0, +), size = terms.reduce(0) { $0 + abs($1) }
            return abs(Double(y[index]) - exact) <= size * 0x1p-24 * 44
        }
    }
    #expect(try isClose(product(level, w.view, x, tokens: 3)))
    // Negative control: activations of BF16 are seen to be too short.
    let short = try GuardedBytes(
        (0..<3 * 577).map { Float(bitPattern: x.floats[$0].bitPattern & 0xffff_0000) })
    #expect(try !isClose(product(level, w.view, short, tokens: 3)))
}

@Test(arguments: levels)
func exactProductsDoNotDependOnTheBatch(level: InstructionSet) throws {
    // The smaller one has a single token packed by every piece.
    for columns in [2112, 300] {
        let w = try StoredMatrix(.bfloat16, rows: 150, columns: columns)
        let x = try activations(101 * columns)
        let whole = try product(level, w.view, x, tokens: 101)
        for (threads, step) in [
            (1, 1), (2, 1), (2, 101), (3, 7), (1, 49), (2, 2), (2, 5), (2, 17), (1, 32), (2, 33),
        ] {
            let again = try product(level, w.view, x, tokens: 101, threads: threads, step: step)
            let isSame = bits(again) == bits(whole)
            #expect(isSame, "\(columns) columns, \(threads) threads, \(step) tokens at a time")
        }
    }
}

/// One region of every format: BF16 goes to the matrix registers, the others do not.
@Test(arguments: levels)
func formatsShareARegion(level: InstructionSet) throws {
    let matrices = try WeightView.Format.allCases.flatMap { format in
        try [(300, 256), (40, 256)].map { try StoredMatrix(format, rows: $0.0, columns: $0.1) }
    }
    let compute = Compute(
        kernels: .table(level), pool: ThreadPool(threads: 2))
    for tokens in [1, 3, 60] {
        let x = try activations(tokens * 256)
        let outputs = try matrices.map { try GuardedBytes(count: tokens * $0.view.rows * 4) }
        compute.product(
            zip(matrices, outputs).map {
                ProductGroup(
                    weight: $0.view, x: x.floats, tokens: tokens, xStride: 256, y: $1.floats,
                    yStride: $0.view.rows)
            })
        for (matrix, output) in zip(matrices, outputs) {
            let alone = try product(level, matrix.view, x, tokens: tokens)
            let isSame = (0..<alone.count).allSatisfy { alone[$0].bitPattern == output.floats[$0].bitPattern }
            #expect(isSame, "\(matrix.view.format) of \(matrix.view.rows) rows by \(tokens)")
        }
    }
}

/// Matrix registers have an order of their own, and take what is subnormal for zero.
@Test(arguments: levels)
func matrixRegistersHaveTheirOwnOrder(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 17, columns: 577)
    let x = try activations(3 * 577)
    let tiny = try GuardedBytes((0..<3 * 577).map { Float($0 % 7) * 0x1p-130 })
    let loops = try results(3 * 17) { y in
        NaiveKernels(level == .amx ? .avx512 : level).product(
            w.view, rows: 0..<17, x: x.floats, tokens: 3, xStride: 577, y: y, yStride: 17)
    }
    #expect(try (bits(product(level, w.view, x, tokens: 3)) != bits(loops)) == level.hasMatrices)
    #expect(try product(level, w.view, tiny, tokens: 3).allSatisfy { $0 == 0 } == level.hasMatrices)
}

/// A sum that becomes subnormal between two groups of columns is zero from there on, whatever kernel adds it.
@Test(arguments: levels, [1, 4, 7, 20])
func subnormalSumsAreZero(level: InstructionSet, tokens: Int) throws {
    let columns = 160
    let ones = try GuardedBytes(count: 20 * columns * 2)
    for k in 0..<20 * columns {
        ones.base.storeBytes(of: BFloat16.encode(1), toByteOffset: k * 2, as: UInt16.self)
    }
    let w = WeightView(format: .bfloat16, base: ones.base, rows: 20, columns: columns)
    let x = try GuardedBytes([Float](repeating: 0, count: tokens * columns))
    for token in 0..<tokens {
        x.floats[token * columns] = 0x1.8p-126
        x.floats[token * columns + 40] = -0x1p-126
    }
    let sums = try product(level, w, x, tokens: tokens)
    #expect(try bits(sums) == bits(naive(level, w, x, tokens: tokens)))
    // Control: elsewhere it stays.
    #expect(sums.allSatisfy { $0 == (level.hasMatrices ? 0 : 0x1p-127) })
}

/// An infinity has no parts beyond the first: what it meets becomes infinite, not undefined.
@Test(arguments: levels, [1, 3, 7, 20])
func infinitiesStayInfinite(level: InstructionSet, tokens: Int) throws {
    let w = try StoredMatrix(.bfloat16, rows: 17, columns: 200)
    let x = try activations(tokens * 200)
    x.floats[41] = -.infinity
    let sums = try product(level, w.view, x, tokens: tokens)
    #expect((0..<17).allSatisfy { sums[$0] == w.view.value($0, 41) * -.infinity })
    #expect(sums[17...].allSatisfy { $0.isFinite })
    // Control: undefined stays undefined.
    x.floats[41] = .nan
    let undefined = try product(level, w.view, x, tokens: tokens)
    #expect(undefined[..<17].allSatisfy { $0.isNaN })
}

@Test(arguments: levels)
func emptyExactProducts(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 5, columns: 0)
    let x = try activations(0)
    #expect(try product(level, w.view, x, tokens: 3) == [Float](repeating: 0, count: 15))
    #expect(try product(level, w.view, x, tokens: 0) == [])
}
