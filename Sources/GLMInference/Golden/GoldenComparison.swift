/// Compares one computed quantity with its golden, element by element.
struct GoldenComparison {
    /// Two independent Float32 implementations differ by up to 1.1e-5 on the stored cases.
    static let tolerance = 5e-5
    /// Caches and index scores pass fewer operations; tight enough to notice a wrong epsilon.
    static let cacheTolerance = 2e-5
    /// One product with quantised inputs: the codes are equal, the sums differ in their order.
    static let quantizedProductTolerance = 1e-4
    /// Logits from the golden last hidden state of a run with quantised inputs.
    static let quantizedLogitsTolerance = 1e-3
    /// One layer with quantised inputs: a wrong rounding rule moves the median row by 0.05 or more.
    static let quantizedMedian = 5e-3
    /// A perturbation of 1e-6 moves single rows of such a layer by up to 0.15: a code flips.
    static let quantizedWorst = 0.2

    /// What passes.
    private enum Rule {
        /// Equal bits.
        case equal
        /// No element further off than this.
        case within(Double)
        /// In each layer `[layers, rows, width]`, the median over rows of a row's largest error, and any row's.
        case rows(median: Double, worst: Double)
    }

    private let rule: Rule

    /// The rule of a quantity by its name; `exact` files ask for equal bits everywhere.
    init(quantity: String, exact: Bool) {
        rule = exact ? .equal : GoldenComparison.rule(quantity)
    }

    private static func rule(_ quantity: String) -> Rule {
        switch quantity {
        case "fp8.gemm.act_q", "fp8.gemm.act_scale", "fp8.gemm.weight_dequant_tail": .equal
        case "fp8.gemm.output": .within(quantizedProductTolerance)
        case "fp8.w8a8.logits": .within(quantizedLogitsTolerance)
        case "fp8.w8a8.hidden": .rows(median: quantizedMedian, worst: quantizedWorst)
        default:
            .within(
                quantity.contains(".cache_") || quantity.hasSuffix(".index_scores")
                    ? cacheTolerance : tolerance)
        }
    }

    func compare(_ quantity: String, expected: GoldenArray, found: GoldenArray) -> GoldenReport.Row {
        guard expected.shape == found.shape else {
            return GoldenReport.Row(
                quantity: quantity, outcome: .fail, largestError: nil, tolerance: nil,
                detail: "shape \(found.shape), expected \(expected.shape)")
        }
        let shape = expected.shape
        switch (expected.values, found.values) {
        case (.float(let expected), .float(let found)):
            switch rule {
            case .equal: return equal(quantity, expected.map(\.bitPattern), found.map(\.bitPattern))
            case .within(let tolerance): return close(quantity, expected, found, tolerance)
            case .rows(let median, let worst):
                return closeRows(quantity, zip(expected, found).map(error), shape, median, worst)
            }
        case (.integer(let expected), .integer(let found)): return equal(quantity, expected, found)
        case (.flag(let expected), .flag(let found)): return equal(quantity, expected, found)
        default:
            return GoldenReport.Row(
                quantity: quantity, outcome: .fail, largestError: nil, tolerance: nil,
                detail: "another element type than expected")
        }
    }

    private func close(
        _ quantity: String, _ expected: [Float], _ found: [Float], _ tolerance: Double
    ) -> GoldenReport.Row {
        var (worst, place) = (0.0, 0)
        for (index, (want, have)) in zip(expected, found).enumerated() {
            let counted = error(want, have)
            if counted > worst { (worst, place) = (counted, index) }
        }
        return GoldenReport.Row(
            quantity: quantity, outcome: worst <= tolerance ? .pass : .fail, largestError: worst,
            tolerance: tolerance,
            detail: expected.isEmpty ? "empty" : "at \(place): \(found[place]), expected \(expected[place])")
    }

    /// A NaN on either side is an infinite error, never a silent pass.
    private func error(_ want: Float, _ have: Float) -> Double {
        let error = abs(Double(want) - Double(have))
        return error.isNaN ? .infinity : error
    }

    private func closeRows(
        _ quantity: String, _ errors: [Double], _ shape: [Int], _ median: Double, _ worst: Double
    ) -> GoldenReport.Row {
        let (rows, width) = (shape.count == 3 ? shape[1] : 1, shape.last ?? 1)
        let largest = stride(from: 0, to: errors.count, by: width).map {
            errors[$0..<($0 + width)].max() ?? 0
        }
        let medians = stride(from: 0, to: largest.count, by: rows).map {
            largest[$0..<($0 + rows)].sorted()[rows / 2]
        }
        let (middle, most) = (medians.max() ?? 0, largest.max() ?? 0)
        return GoldenReport.Row(
            quantity: quantity, outcome: middle <= median && most <= worst ? .pass : .fail,
            largestError: most, tolerance: worst,
            detail: "largest median over the rows of a layer: \(middle), at most \(median)")
    }

    private func equal<Value: Equatable>(
        _ quantity: String, _ expected: [Value], _ found: [Value]
    ) -> GoldenReport.Row {
        let different = zip(expected, found).enumerated().filter { $0.element.0 != $0.element.1 }
        let detail = different.first.map {
            "first at \($0.offset): \($0.element.1), expected \($0.element.0)"
        }
        return GoldenReport.Row(
            quantity: quantity, outcome: different.isEmpty ? .pass : .fail,
            largestError: Double(different.count), tolerance: nil,
            detail: detail ?? "all \(expected.count) equal")
    }
}
