/// Compares one computed quantity with its golden, element by element.
struct GoldenComparison {
    /// Two independent Float32 implementations differ by up to 1.1e-5 on the stored cases.
    static let tolerance = 5e-5
    /// Caches and index scores pass fewer operations; tight enough to notice a wrong epsilon.
    static let cacheTolerance = 2e-5

    /// nil asks for equal bits.
    let tolerance: Double?

    /// The tolerance of a quantity by its name; `exact` files ask for equal bits everywhere.
    init(quantity: String, exact: Bool) {
        let isCache = quantity.contains(".cache_") || quantity.hasSuffix(".index_scores")
        tolerance = exact ? nil : isCache ? GoldenComparison.cacheTolerance : GoldenComparison.tolerance
    }

    func compare(_ quantity: String, expected: GoldenArray, found: GoldenArray) -> GoldenReport.Row {
        guard expected.shape == found.shape else {
            return GoldenReport.Row(
                quantity: quantity, outcome: .fail, largestError: nil, tolerance: nil,
                detail: "shape \(found.shape), expected \(expected.shape)")
        }
        switch (expected.values, found.values) {
        case (.float(let expected), .float(let found)):
            return tolerance.map { close(quantity, expected, found, $0) }
                ?? equal(quantity, expected.map(\.bitPattern), found.map(\.bitPattern))
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
            let error = abs(Double(want) - Double(have))
            // A NaN on either side is an infinite error, never a silent pass.
            let counted = error.isNaN ? Double.infinity : error
            if counted > worst { (worst, place) = (counted, index) }
        }
        return GoldenReport.Row(
            quantity: quantity, outcome: worst <= tolerance ? .pass : .fail, largestError: worst,
            tolerance: tolerance,
            detail: expected.isEmpty ? "empty" : "at \(place): \(found[place]), expected \(expected[place])")
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
