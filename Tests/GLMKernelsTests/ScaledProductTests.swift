import GLMKernels
import Testing

/// Products through a machine whose numerics are `w8a8`.
private func product(
    _ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int, threads: Int = 1,
    arithmetic: ProductArithmetic = .w8a8
) throws -> [Float] {
    let compute = Compute(
        kernels: .table(level), pool: ThreadPool(threads: threads), arithmetic: arithmetic)
    return try products(compute, w, x, tokens: tokens)
}

private func naive(_ level: InstructionSet, _ w: WeightView, _ x: GuardedBytes, tokens: Int) throws -> [Float]
{
    try results(tokens * w.rows) { y in
        NaiveKernels(level).scaledProduct(
            w, x: x.floats, tokens: tokens, xStride: w.columns, y: y, yStride: w.rows)
    }
}

/// What the kernel makes of one row: values and multipliers.
private func quantized(_ level: InstructionSet, _ x: [Float], block: Int) throws -> (
    codes: [Float], scales: [Float]
) {
    let input = try GuardedBytes(x)
    let padded = (x.count + 15) / 16 * 16
    var scales: [Float] = []
    let codes = try results(padded) { codes in
        scales = [Float](repeating: -1, count: (x.count + block - 1) / block)
        scales.withUnsafeMutableBufferPointer { scales in
            guard let scale = scales.baseAddress else { return }
            Kernels.table(level).quantizeActivations(
                input.floats, count: x.count, block: block, codes: codes, stride: 16, scales: scale,
                scaleStride: 1)
        }
    }
    #expect(codes.dropFirst(x.count).allSatisfy { $0 == 0 })
    return (Array(codes.prefix(x.count)), scales)
}

@Test(arguments: levels)
func quantisedActivationsEqualTheirTwin(level: InstructionSet) throws {
    var generator = Sequence64(seed: 11)
    for count in [1, 7, 15, 16, 17, 127, 128, 129, 140, 300] {
        for block in [16, 48, 128] {
            // Magnitudes from the largest down to below the smallest code of their group.
            let x = (0..<count).map { _ in
                generator.float() * Float(sign: .plus, exponent: -Int(generator.next() % 24), significand: 1)
            }
            let (codes, scales) = try quantized(level, x, block: block)
            let twin = NaiveKernels(level).quantizeActivations(x, block: block)
            #expect(bits(codes) == bits(twin.codes.map(Float8E4M3.decode)), "\(count) in \(block)")
            #expect(bits(scales) == bits(twin.scales))
        }
    }
}

/// Every code, every midpoint between two codes and its neighbours: nearest, ties to even.
@Test(arguments: levels)
func roundingToCodesIsExact(level: InstructionSet) throws {
    var values: [Float] = []
    for code in 0..<0x7e as Range<UInt8> {
        let (low, high) = (Float8E4M3.decode(code), Float8E4M3.decode(code + 1))
        let middle = (low + high) / 2
        for value in [low, middle.nextDown, middle, middle.nextUp, high] { values += [value, -value] }
    }
    for start in stride(from: 0, to: values.count, by: 127) {
        // 448 makes the multiplier 1.
        let x = [448] + values[start..<min(values.count, start + 127)]
        let (codes, scales) = try quantized(level, x, block: 128)
        #expect(scales == [1])
        #expect(bits(codes) == bits(x.map { Float8E4M3.decode(Float8E4M3.encode($0)) }))
    }
}

@Test(arguments: levels)
func quantisedExtremes(level: InstructionSet) throws {
    let zeros = try quantized(level, [Float](repeating: 0, count: 20), block: 16)
    #expect(zeros.codes == [Float](repeating: 0, count: 20))
    #expect(zeros.scales == [1e-10 / 448, 1e-10 / 448])
    let odd = try quantized(level, [.nan, 448, -3, -0.0], block: 16)
    #expect(odd.codes[0].isNaN && odd.codes[1] == 448 && odd.codes[2] == -3)
    #expect(odd.codes[3].bitPattern == (-0.0 as Float).bitPattern)
    #expect(try quantized(level, [.infinity, 1], block: 16).codes[0].isNaN)
}

@Test(arguments: levels)
func scaledProductEqualsItsTwin(level: InstructionSet) throws {
    for columns in [1, 15, 16, 17, 127, 128, 129, 140, 300, 1025, 2500] {
        for (rows, tokens) in [(1, 1), (7, 1), (5, 2), (9, 3), (3, 4), (130, 5), (4, 50)] {
            let w = try StoredMatrix(.float8E4M3, rows: rows, columns: columns, padding: columns % 3)
            let x = try activations(tokens * columns)
            let fast = try product(level, w.view, x, tokens: tokens)
            #expect(
                try bits(fast) == bits(naive(level, w.view, x, tokens: tokens)),
                "[\(rows), \(columns)] × \(tokens)")
        }
    }
}

@Test(arguments: levels)
func scaledBlocksOfAnyShape(level: InstructionSet) throws {
    for blocks in [
        StoredMatrix.Blocks(rows: 1, columns: 16), .init(rows: 3, columns: 48),
        .init(rows: 128, columns: 2048), .init(rowOrigin: 127),
    ] {
        let w = try StoredMatrix(.float8E4M3, rows: 9, columns: 1500, blocks: blocks)
        let x = try activations(4 * 1500)
        let fast = try product(level, w.view, x, tokens: 4)
        #expect(try bits(fast) == bits(naive(level, w.view, x, tokens: 4)), "\(blocks)")
        // Negative control: other groups of activations are noticed, where there is more than one.
        if blocks.columns > 1500 { continue }
        var other = w.view
        other.scales?.blockColumns += 16
        #expect(try bits(fast) != bits(naive(level, other, x, tokens: 4)))
    }
}

/// The formula in Double, and how far quantised inputs are from inputs that stay as they are.
@Test(arguments: levels)
func scaledProductIsCloseToExact(level: InstructionSet) throws {
    let (rows, columns, tokens) = (17, 577, 3)
    let w = try StoredMatrix(.float8E4M3, rows: rows, columns: columns)
    let x = try activations(tokens * columns)
    let y = try product(level, w.view, x, tokens: tokens)
    let plain = try product(level, w.view, x, tokens: tokens, arithmetic: .float32)
    for t in 0..<tokens {
        let row = (0..<columns).map { x.floats[t * columns + $0] }
        let (codes, scales) = NaiveKernels(level).quantizeActivations(row, block: 128)
        for n in 0..<rows {
            let terms = (0..<columns).map {
                Double(w.view.value(n, $0)) * Double(Float8E4M3.decode(codes[$0])) * Double(scales[$0 / 128])
            }
            let exact = terms.reduce(0, +), size = terms.reduce(0) { $0 + abs($1) }
            #expect(abs(Double(y[t * rows + n]) - exact) <= size * 0x1p-24 * (577 / 16 + 12))
            // A code is off by at most 2⁻⁴ of its value, or 2⁻¹⁰ of 448 where that is more.
            let error = abs(Double(y[t * rows + n]) - Double(plain[t * rows + n]))
            #expect(error <= size * 0.07)
        }
    }
    #expect(bits(y) != bits(plain))
}

/// Alone, in any batch, on any number of threads, beside groups that share the inputs or have no scales.
@Test(arguments: levels)
func scaledProductsDoNotDependOnTheBatch(level: InstructionSet) throws {
    let (rows, columns, tokens) = (150, 300, 55)
    let w = try StoredMatrix(.float8E4M3, rows: rows, columns: columns)
    let plain = try StoredMatrix(.bfloat16, rows: 21, columns: columns)
    let x = try activations(tokens * columns)
    let whole = try product(level, w.view, x, tokens: tokens)
    for threads in [1, 2, 3] {
        let compute = Compute(
            kernels: .table(level), pool: ThreadPool(threads: threads), arithmetic: .w8a8)
        for step in [1, 2, 3, 7, 49] {
            var beside: [Float] = []
            let y = try results(tokens * rows) { y in
                beside =
                    (try? results(tokens * 21) { z in
                        for start in stride(from: 0, to: tokens, by: step) {
                            let count = min(step, tokens - start)
                            func group(
                                _ w: WeightView, _ y: UnsafeMutablePointer<Float>, _ yStride: Int
                            ) -> ProductGroup {
                                ProductGroup(
                                    weight: w, x: x.floats + start * columns, tokens: count, xStride: columns,
                                    y: y + start * yStride, yStride: yStride)
                            }
                            compute.product([
                                group(w.view.rows(0..<100), y, rows), group(plain.view, z, 21),
                                group(w.view.rows(100..<rows), y + 100, rows),
                            ])
                        }
                    }) ?? []
            }
            #expect(bits(y) == bits(whole), "\(threads) threads, \(step) tokens at a time")
            #expect(
                try bits(beside)
                    == bits(product(level, plain.view, x, tokens: tokens, arithmetic: .float32)))
        }
    }
}

@Test(arguments: levels)
func emptyScaledProducts(level: InstructionSet) throws {
    let w = try StoredMatrix(.float8E4M3, rows: 5, columns: 0)
    let x = try activations(0)
    #expect(try product(level, w.view, x, tokens: 3) == [Float](repeating: 0, count: 15))
    #expect(try product(level, w.view, x, tokens: 0) == [])
}
