import GLMKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

private let counts = [1, 7, 8, 9, 15, 16, 17, 63, 64, 127, 129, 130, 576]

/// Runs a kernel and its twin on the same rows and compares the bits.
private func compare(
    _ level: InstructionSet, _ count: Int, outputs: Int? = nil,
    _ fast: (
        Kernels, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>
    ) -> Void,
    _ naive: (
        NaiveKernels, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>,
        UnsafeMutablePointer<Float>
    ) ->
        Void
) throws {
    let a = try activations(count, seed: 1), b = try activations(count, seed: 2),
        c = try activations(count, seed: 3)
    let fill = { (to: UnsafeMutablePointer<Float>) in to.update(from: c.floats, count: count) }
    let quick = try results(count) {
        fill($0)
        fast(.table(level), a.floats, b.floats, c.floats, $0)
    }
    let slow = try results(count) {
        fill($0)
        naive(NaiveKernels(level), a.floats, b.floats, c.floats, $0)
    }
    #expect(bits(quick) == bits(slow), "\(count) elements")
    // Negative control: another last element shows. (One element alone has the weight 1 whatever it is.)
    guard count > 1 else { return }
    for input in [a, c] { input.floats[count - 1] += 0.5 }
    let other = try results(count) {
        fill($0)
        fast(.table(level), a.floats, b.floats, c.floats, $0)
    }
    #expect(bits(other) != bits(slow), "\(count) elements")
}

@Test(arguments: levels, counts)
func rowKernelsEqualTheirTwins(level: InstructionSet, n: Int) throws {
    try compare(level, n) { k, a, b, _, y in
        k.rmsNorm(a, weight: b, epsilon: 1e-5, count: n, output: y)
    } _: { k, a, b, _, y in
        k.rmsNorm(a, weight: b, epsilon: 1e-5, count: n, output: y)
    }
    try compare(level, n) { k, a, b, c, y in
        k.layerNorm(a, weight: b, bias: c, epsilon: 1e-6, count: n, output: y)
    } _: { k, a, b, c, y in
        k.layerNorm(a, weight: b, bias: c, epsilon: 1e-6, count: n, output: y)
    }
    try compare(level, n) { k, a, b, _, y in
        k.siluMultiply(gate: a, up: b, count: n, output: y)
    } _: { k, a, b, _, y in
        k.siluMultiply(gate: a, up: b, count: n, output: y)
    }
    try compare(level, n) { k, a, _, _, y in
        k.sigmoid(a, count: n, output: y)
    } _: { k, a, _, _, y in
        k.sigmoid(a, count: n, output: y)
    }
    try compare(level, n) { k, a, b, _, y in
        k.add(a, b, count: n, output: y)
    } _: { k, a, b, _, y in
        k.add(a, b, count: n, output: y)
    }
    try compare(level, n) { k, a, _, _, y in
        k.addScaled(a, factor: 0.37, count: n, into: y)
    } _: { k, a, _, _, y in
        k.addScaled(a, factor: 0.37, count: n, into: y)
    }
    try compare(level, n) { k, _, _, _, y in
        y[0] = k.softmaxWeights(y, scale: 0.7, count: n).sum
    } _: { k, _, _, _, y in
        y[0] = k.softmaxWeights(y, scale: 0.7, count: n).sum
    }
    try compare(level, n) { k, a, b, _, y in
        k.rotateInterleaved(y, cosines: a, sines: b, pairs: n / 2)
    } _: { k, a, b, _, y in
        k.rotateInterleaved(y, cosines: a, sines: b, pairs: n / 2)
    }
}

@Test(arguments: levels)
func normsMeetTheirDefinition(level: InstructionSet) throws {
    let n = 130
    let x = try activations(n, seed: 1), w = try activations(n, seed: 2), b = try activations(n, seed: 3)
    let value = (0..<n).map { Double(x.floats[$0]) }
    let meanSquare = value.reduce(0) { $0 + $1 * $1 } / Double(n)
    let rms = try results(n) {
        Kernels.table(level).rmsNorm(x.floats, weight: w.floats, epsilon: 1e-2, count: n, output: $0)
    }
    for i in 0..<n {
        #expect(
            abs(Double(rms[i]) - value[i] / (meanSquare + 1e-2).squareRoot() * Double(w.floats[i])) < 1e-6)
    }
    let mean = value.reduce(0, +) / Double(n)
    let variance = value.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
    let layer = try results(n) {
        Kernels.table(level).layerNorm(
            x.floats, weight: w.floats, bias: b.floats, epsilon: 1e-2, count: n, output: $0)
    }
    for i in 0..<n {
        let exact =
            (value[i] - mean) / (variance + 1e-2).squareRoot() * Double(w.floats[i]) + Double(b.floats[i])
        #expect(abs(Double(layer[i]) - exact) < 1e-6)
    }
}

private func exponential(_ level: InstructionSet, _ x: [Float]) throws -> [Float] {
    try results(x.count) { Kernels.table(level).exp(x, count: x.count, output: $0) }
}

/// Distance in units of the last place of the true value, subnormals included.
private func error(_ found: Float, _ x: Float) -> Double {
    let exact = exp(Double(x))
    return abs(Double(found) - exact) / Double(max(Float(exact).ulp, .leastNonzeroMagnitude))
}

@Test(arguments: levels)
func exponentialIsWithinTwoUnits(level: InstructionSet) throws {
    let x = (0..<400_000).map { Float($0) * 0.00048 - 103.5 }.filter { $0 < 88.72 }
    let found = try exponential(level, x)
    let worst = zip(found, x).map { error($0, $1) }.max() ?? 0
    #expect(worst <= 2, "\(worst) ulp")
    var small: [Float] = [0, -0.0, .leastNonzeroMagnitude, 1e-20, -1e-10, 1e-7, -1e-7]
    small += (1..<2000).map { Float($0) * 1e-6 }
    #expect(zip(try exponential(level, small), small).allSatisfy { error($0, $1) <= 2 })
    let twin = NaiveKernels(level)
    #expect(bits(found) == bits(x.map { twin.exp($0) }))
}

@Test(arguments: levels)
func exponentialAtTheEnds(level: InstructionSet) throws {
    let x: [Float] = [-.infinity, -1e30, -200, -104, .infinity, 1e30, 89, 88.73, .nan, 0, -0.0]
    let y = try exponential(level, x)
    #expect(y.prefix(4).allSatisfy { $0 == 0 && $0.sign == .plus })
    #expect(y[4..<8].allSatisfy { $0 == .infinity })
    #expect(y[8].isNaN && y[9] == 1 && y[10] == 1)
}

@Test(arguments: levels)
func activationsAtTheEnds(level: InstructionSet) throws {
    let k = Kernels.table(level)
    let x: [Float] = [-.infinity, -200, 0, 200, .infinity, .nan]
    let s = try results(6) { k.sigmoid(x, count: 6, output: $0) }
    #expect(s[0] == 0 && s[1] == 0 && s[2] == 0.5 && s[3] == 1 && s[4] == 1 && s[5].isNaN)
    let silu = try results(6) {
        k.siluMultiply(gate: [-200, -88, 0, 200, 88, -1000], up: [1, 1, 1, 1, 1, 1], count: 6, output: $0)
    }
    #expect(
        silu[0] == 0 && abs(silu[1]) < 1e-36 && silu[2] == 0 && silu[3] == 200 && silu[4] == 88
            && silu[5] == 0)
}

@Test(arguments: levels, [1, 15, 16, 17, 130])
func mergingEqualsItsTwin(level: InstructionSet, n: Int) throws {
    let x = try activations(n, seed: 7), y = try activations(n, seed: 8)
    let ends: [(Float, Float)] = [
        (0.7, 1.3), (1.3, 0.7), (0.7, 0.7), (-.infinity, 1), (1, -.infinity), (-.infinity, -.infinity),
        (-90, 80), (.nan, 1), (1, .nan), (.infinity, 1),
    ]
    var sums: [[UInt32]] = []
    for (own, other) in ends {
        let block = SoftmaxSum(largest: other, sum: 2)
        var fast = SoftmaxSum(largest: own, sum: 3), plain = fast
        let merged = try results(n) {
            $0.update(from: y.floats, count: n)
            Kernels.table(level).softmaxMerge(x.floats, block, count: n, into: $0, &fast)
        }
        let twin = try results(n) {
            $0.update(from: y.floats, count: n)
            NaiveKernels(level).softmaxMerge(x.floats, block, count: n, into: $0, &plain)
        }
        let both = zip(merged + [fast.sum, fast.largest], twin + [plain.sum, plain.largest])
        #expect(
            both.allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }, "\(own), \(other)")
        sums.append(bits(merged))
    }
    // Negative control: which of the two is larger shows.
    #expect(sums[0] != sums[1] && sums[1] != sums[2])
}

@Test(arguments: levels)
func softmaxProperties(level: InstructionSet) throws {
    let k = Kernels.table(level)
    var row: [Float] = [1, -.infinity, 1, -.infinity]
    #expect(k.softmaxWeights(&row, scale: 2, count: 4) == SoftmaxSum(largest: 2, sum: 2))
    #expect(row == [1, 0, 1, 0])
    var large: [Float] = (0..<1000).map { Float($0) * 0.01 + 1e4 }
    let found = k.softmaxWeights(&large, scale: 1, count: 1000)
    #expect(abs(large.reduce(0, +) / found.sum - 1) < 1e-5 && large.allSatisfy { $0 > 0 })
    #expect(large[999] == 1 && found.largest == 10009.99)
    var one: [Float] = [-3]
    #expect(k.softmaxWeights(&one, scale: 1, count: 1) == SoftmaxSum(largest: -3, sum: 1))
    #expect(one == [1])
    var nothing: [Float] = [-.infinity, -.infinity]
    #expect(k.softmaxWeights(&nothing, scale: 1, count: 2) == SoftmaxSum(largest: -.infinity, sum: 0))
    #expect(nothing == [0, 0])
}

@Test(arguments: levels)
func rotationTurnsNeighbours(level: InstructionSet) throws {
    var x: [Float] = [1, 0, 0, 1, 3, 4]
    Kernels.table(level).rotateInterleaved(&x, cosines: [0, 0, 1], sines: [1, 1, 0], pairs: 3)
    #expect(x == [0, 1, -1, 0, 3, 4])
    // Negative control: pairs of halves would leave other numbers.
    #expect(x != [0, 1, 3, 1, 0, 4])
}

@Test(arguments: levels)
func largestByLevel(level: InstructionSet) {
    var generator = Sequence64(seed: 4)
    for count in [1, 15, 16, 63, 64, 65, 200, 4097] {
        let values = (0..<count).map { _ in (generator.float() * 9).rounded() }
        #expect(Kernels.table(level).argmax(values, count: count) == values.firstIndex(of: values.max() ?? 0))
    }
}
