import GLMKernels
import Testing

/// The definition: sort by (score descending, NaN last, position ascending), take k, put positions in order.
private func sorted(_ scores: [Float], _ k: Int) -> [Int32] {
    let ranked = scores.indices.sorted { a, b in
        let x = scores[a], y = scores[b]
        if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? a < b : y.isNaN }
        return x == y ? a < b : x > y
    }
    return ranked.prefix(k).sorted().map { Int32($0) }
}

private func select(_ scores: [Float], _ k: Int) -> [Int32] {
    var output = [Int32](repeating: -7, count: min(k, scores.count) + 1)
    let taken = selectLargest(scores, count: scores.count, k: k, into: &output)
    #expect(output.last == -7 || taken == output.count, "writes past its output")
    for level in InstructionSet.available {
        var same = [Int32](repeating: -7, count: min(k, scores.count) + 1)
        let count = Kernels.table(level).selectLargest(scores, count: scores.count, k: k, into: &same)
        #expect(count == taken && same == output, "\(level) selects other positions")
    }
    return Array(output.prefix(taken))
}

@Test(arguments: [1, 2, 7, 16, 17, 63, 64, 128, 129, 1000, 5000])
func selectionEqualsSorting(count: Int) {
    var generator = Sequence64(seed: UInt64(count))
    let smooth = (0..<count).map { _ in generator.float() }
    let coarse = (0..<count).map { _ in (generator.float() * 3).rounded() }
    let equal = [Float](repeating: 0.5, count: count)
    let odd = (0..<count).map { _ in
        [Float.nan, -.infinity, .infinity, 0, -0.0, 1, -.nan][Int(generator.next() % 7)]
    }
    let none = [Float](repeating: .nan, count: count)
    for scores in [smooth, coarse, equal, odd, none] {
        for k in Set([0, 1, 2, count / 2, count - 1, count, count + 5]) {
            #expect(select(scores, k) == sorted(scores, k))
        }
    }
}

/// NaN and −∞ lie at the lower end of the range that is halved, where the largest that are left out are looked for.
@Test(arguments: [64, 129, 1000, 5000])
func fewOddScoresAreLeftOut(count: Int) {
    var generator = Sequence64(seed: UInt64(count))
    let scores = (0..<count).map { index in
        index % 40 == 3 ? Float.nan : index % 40 == 5 ? -.infinity : generator.float()
    }
    for k in Set([count - 1, count - count / 60, count - count / 40, count - count / 20, count / 2]) {
        #expect(select(scores, k) == sorted(scores, k))
    }
}

@Test func zerosOfBothSignsTie() {
    #expect(select([-0.0, 0, -0.0, 0], 2) == [0, 1])
    #expect(select([-1, 0, -0.0, 0], 2) == [1, 2])
    // Negative control: a real difference, however small, decides.
    #expect(select([-0.0, .leastNonzeroMagnitude, -0.0, 0], 1) == [1])
}

@Test(arguments: [1, 2, 15, 16, 17, 63, 64, 65, 130, 5000])
func largestPosition(count: Int) {
    var generator = Sequence64(seed: UInt64(count))
    for _ in 0..<20 {
        var values = (0..<count).map { _ in (generator.float() * 10).rounded() }
        let best = values.max() ?? 0
        #expect(argmax(values, count: count) == values.firstIndex(of: best))
        values[Int(generator.next() % UInt64(count))] = .nan
        if let largest = values.filter({ !$0.isNaN }).max() {
            #expect(argmax(values, count: count) == values.firstIndex(of: largest))
        }
    }
}

@Test func largestOfOddities() {
    #expect(argmax([.nan, .nan], count: 2) == 0)
    #expect(argmax([-.infinity, -.infinity], count: 2) == 0)
    #expect(argmax([.nan, -.infinity, -.infinity], count: 3) == 1)
    #expect(argmax([-0.0, 0], count: 2) == 0)
}
