import GLMKernels
import Testing

private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, threads: Int = 1,
    step: Int? = nil
) throws -> [Float] {
    let compute = Compute(
        kernels: .table(level), pool: ThreadPool(threads: threads), arithmetic: .bfloat16)
    return try products(compute, w, x, tokens: tokens, step: step)
}

private func rounded(_ values: [Float]) -> [Float] { values.map { BFloat16.decode(BFloat16.encode($0)) } }

private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    rounded(
        try results(tokens * w.rows) { y in
            NaiveKernels(level).pairProduct(
                w, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
        })
}

@Test(arguments: levels, [WeightView.Format.bfloat16, .float8E4M3])
func pairProductEqualsItsTwin(level: InstructionSet, format: WeightView.Format) throws {
    for columns in [1, 15, 16, 17, 31, 32, 33, 127, 129, 300, 2049, 4500] {
        for (rows, tokens) in [
            (1, 1), (4, 1), (7, 1), (5, 2), (9, 3), (3, 4), (6, 5), (4, 6), (5, 7), (70, 13), (3, 50),
            (21, 50),
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

/// Matrix registers add in an order of their own, and take subnormal numbers for zero; the other levels are the control.
@Test
func matrixRegistersHaveAnOrderOfTheirOwn() throws {
    let w = try StoredMatrix(.bfloat16, rows: 17, columns: 577)
    let x = try activations(3 * 577)
    func sums(_ level: InstructionSet) throws -> [Float] {
        try results(51) { y in
            NaiveKernels(level).pairProduct(
                w.view, x: x.floats, tokens: 3, xStride: 577, y: y, yStride: 17)
        }
    }
    #expect(try bits(sums(.amx)) != bits(sums(.avx512)))
    let tiny = try GuardedBytes((0..<3 * 577).map { Float($0 % 7) * 0x1p-130 })
    #expect(try naive(.amx, w.view, tiny, tokens: 3) == [Float](repeating: 0, count: 51))
    #expect(try naive(.avx512, w.view, tiny, tokens: 3) != [Float](repeating: 0, count: 51))
    for level in levels where level == .amx {
        #expect(try product(level, w.view, tiny, tokens: 3) == [Float](repeating: 0, count: 51))
    }
}

/// Groups of every format in one call, some of which share their inputs, give what each gives alone.
@Test(arguments: levels, [1, 2, 50])
func groupsOfEveryFormatStandSideBySide(level: InstructionSet, tokens: Int) throws {
    let columns = 128
    let x = try activations((tokens + 1) * 2 * columns)
    let kinds: [(format: WeightView.Format, first: Int, stride: Int, tokens: Int)] = [
        (.float8E4M3, 0, columns, tokens), (.bfloat16, 0, columns, tokens), (.float32, 0, columns, tokens),
        (.bfloat16, 0, columns, tokens), (.bfloat16, columns, columns, tokens),
        (.bfloat16, 0, 2 * columns, tokens), (.bfloat16, 0, columns, 0),
    ]
    let weights = try kinds.indices.map { try StoredMatrix(kinds[$0].format, rows: 5 + $0, columns: columns) }
    func group(_ index: Int, _ y: UnsafeMutablePointer<Float>) -> ProductGroup {
        ProductGroup(
            weight: weights[index].view, x: x.floats + kinds[index].first, tokens: kinds[index].tokens,
            xStride: kinds[index].stride, y: y, yStride: 5 + index)
    }
    let room = tokens * 12
    let alone = try kinds.indices.map { index in
        try results(room) { y in
            y.update(repeating: 0, count: room)
            Compute(kernels: .table(level), pool: ThreadPool(threads: 1), arithmetic: .bfloat16)
                .product([group(index, y)])
        }
    }
    for threads in 1...3 {
        let compute = Compute(
            kernels: .table(level), pool: ThreadPool(threads: threads), arithmetic: .bfloat16)
        let together = try results(room * kinds.count) { y in
            y.update(repeating: 0, count: room * kinds.count)
            compute.product(kinds.indices.map { group($0, y + $0 * room) })
        }
        #expect(bits(together) == bits(Array(alone.joined())), "\(threads) threads")
    }
}

/// Weights in BF16 are added in pairs at one level; elsewhere as in `float32`, which the other is the control of.
@Test
func onlyAVX512AddsPairs() throws {
    let w = try StoredMatrix(.bfloat16, rows: 9, columns: 577)
    let x = try activations(2 * 577)
    let roundedInputs = try GuardedBytes(rounded(Array(UnsafeBufferPointer(start: x.floats, count: 2 * 577))))
    for level in [InstructionSet.baseline, .avx2, .avx512] {
        let sums = try results(18) { y in
            NaiveKernels(level).pairProduct(
                w.view, x: x.floats, tokens: 2, xStride: 577, y: y, yStride: 9)
        }
        let asInFloat32 = try results(18) { y in
            NaiveKernels(level).product(
                w.view, rows: 0..<9, x: roundedInputs.floats, tokens: 2, xStride: 577, y: y, yStride: 9)
        }
        #expect((bits(sums) == bits(asInFloat32)) == (level != .avx512), "\(level)")
    }
}

/// Rounding of both factors, of one addition a pair along the longest chain, and of the output.
@Test(arguments: levels)
func pairProductIsCloseToExact(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 17, columns: 577)
    let x = try activations(3 * 577)
    let y = try product(level, w.view, x, tokens: 3)
    for t in 0..<3 {
        for n in 0..<17 {
            let terms = (0..<577).map { Double(w.view.value(n, $0)) * Double(x.floats[t * 577 + $0]) }
            let exact = terms.reduce(0, +), size = terms.reduce(0) { $0 + abs($1) }
            #expect(
                abs(Double(y[t * 17 + n]) - exact) <= size * (0x1p-9 + 0x1p-24 * 44) + abs(exact) * 0x1p-8)
        }
    }
    #expect(
        try bits(y)
            != bits(
                results(51) { y in
                    Kernels.table(level).product(
                        w.view, rows: 0..<17, x: x.floats, tokens: 3, xStride: 577, y: y, yStride: 17)
                }))
}

@Test(arguments: levels, WeightView.Format.allCases)
func pairProductsDoNotDependOnTheBatch(level: InstructionSet, format: WeightView.Format) throws {
    let w = try StoredMatrix(format, rows: 150, columns: 2111)
    let x = try activations(101 * 2111)
    for index in 0..<101 * 2111 { x.floats[index] = BFloat16.decode(BFloat16.encode(x.floats[index])) }
    let whole = try product(level, w.view, x, tokens: 101)
    #expect(bits(whole) == bits(rounded(whole)))
    for (threads, step) in [(1, 1), (2, 1), (2, 101), (3, 7), (1, 49), (2, 2)] {
        let again = try product(level, w.view, x, tokens: 101, threads: threads, step: step)
        #expect(bits(again) == bits(whole), "\(threads) threads, \(step) tokens at a time")
    }
}

@Test(arguments: levels)
func activationsRoundToNearest(level: InstructionSet) throws {
    var generator = Sequence64(seed: 5)
    var values: [Float] = [0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, 0x1p-149, 1]
    for _ in 0..<4000 { values.append(Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))) }
    // Ties, and their neighbours.
    for code in stride(from: UInt32(0x3f80), to: 0x4000, by: 1) {
        for low in [0x7fff, 0x8000, 0x8001] as [UInt32] { values.append(Float(bitPattern: code << 16 | low)) }
    }
    for count in [1, 15, 16, 17, values.count] {
        let x = try GuardedBytes(Array(values.suffix(count)))
        Kernels.table(level).roundToBFloat16(x.floats, count: count)
        for (index, value) in values.suffix(count).enumerated() {
            let expected = BFloat16.decode(BFloat16.encode(value))
            let same =
                expected.isNaN ? x.floats[index].isNaN : x.floats[index].bitPattern == expected.bitPattern
            #expect(same, "\(value)")
        }
    }
}

@Test(arguments: levels)
func emptyPairProducts(level: InstructionSet) throws {
    let w = try StoredMatrix(.bfloat16, rows: 5, columns: 0)
    let x = try activations(0)
    #expect(try product(level, w.view, x, tokens: 3) == [Float](repeating: 0, count: 15))
    #expect(try product(level, w.view, x, tokens: 0) == [])
}
