#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How long rounds of each depth take, in the unit of costs that were expected.
///
/// log seconds of a round of s drafts = log expected cost + pace + Σ_{i ≤ s} excess_i + noise. The pace is the machine's
/// and wanders; an excess is what the i-th draft costs beyond expectation, and stays nearly. Whether a late round says
/// that the machine is slow or that its depth is, is told by what is known of either so far: a Kalman filter.
/// A depth that never ran inherits what shallower ones showed.
struct RoundTimes: Sendable {
    private let expected: [Double]
    /// The pace, then the excess of the first, second, … draft: means and covariances.
    private var means: [Double]
    private var covariances: [[Double]]
    private var isEmpty = true

    // Standard deviations of the logarithm, of rounds of `mid` on virtual machines with two cores.
    private static let paceStep = 0.03
    private static let excessStep = 0.01
    private static let noise = 0.07
    private static let firstExcess = 0.1
    /// No round surprises by more: one that the machine interrupted tells little.
    private static let mostSurprise = 0.3

    init(expected: [Double]) {
        self.expected = expected
        means = [Double](repeating: 0, count: expected.count)
        covariances = expected.indices.map { row in
            expected.indices.map { $0 != row ? 0 : row == 0 ? 1 : Self.firstExcess * Self.firstExcess }
        }
    }

    /// The time of a round of `depth` drafts, but for the pace, which all depths share.
    subscript(depth: Int) -> Double { expected[depth] * exp(means[1..<(depth + 1)].reduce(0, +)) }

    /// Enters a round.
    mutating func append(_ seconds: Double, depth: Int) {
        guard seconds > 0 else { return }
        let time = log(seconds / expected[depth])
        if isEmpty { means[0] = time }
        isEmpty = false
        for place in means.indices {
            let step = place == 0 ? Self.paceStep : Self.excessStep
            covariances[place][place] += step * step
        }
        // The round shows the sum of the first depth + 1.
        let shown = 0...depth
        let shared = covariances.map { $0[shown].reduce(0, +) }
        let variance = shared[shown].reduce(Self.noise * Self.noise, +)
        let surprise = time - means[shown].reduce(0, +)
        let limited = max(-Self.mostSurprise, min(Self.mostSurprise, surprise))
        for row in means.indices {
            means[row] += shared[row] / variance * limited
            for column in means.indices {
                covariances[row][column] -= shared[row] * shared[column] / variance
            }
        }
    }
}
