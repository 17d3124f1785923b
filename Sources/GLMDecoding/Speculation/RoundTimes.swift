#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How long passes take, in the unit of costs that were expected.
///
/// log seconds = log expected cost + pace + excess + noise. The pace is the machine's and wanders. The excess of a pass of
/// the drafter is one number, that of the trunk's pass over s drafts the sum of what the first, second, … draft cost
/// beyond expectation; they change slowly. Whether a late pass says that the machine is slow or that its kind is, is told by
/// what is known of either so far: a Kalman filter. Depths that never ran inherit what shallower ones showed.
struct RoundTimes: Sendable {
    private let expected: RoundCosts
    /// The pace, the drafter's excess, then that of the first, second, … verified draft: means and covariances.
    private var means: [Double]
    private var covariances: [[Double]]
    private var isEmpty = true

    // Standard deviations of the logarithm, of rounds of `mid` on virtual machines with two cores.
    private static let paceStep = 0.03
    private static let excessStep = 0.01
    private static let noise = 0.07
    private static let firstExcess = 0.1
    /// No pass surprises by more, and no mean follows by more: one that the machine interrupted tells little.
    private static let mostSurprise = 0.3

    init(expected: RoundCosts) {
        self.expected = expected
        let count = expected.verify.count + 1
        means = [Double](repeating: 0, count: count)
        covariances = (0..<count).map { row in
            (0..<count).map { $0 != row ? 0 : row == 0 ? 1 : Self.firstExcess * Self.firstExcess }
        }
    }

    /// The time of one pass of the drafter, but for the pace, which all share.
    var draft: Double { expected.draft * exp(means[1]) }

    /// The time of the trunk's pass over `drafts` drafts of each sequence, but for the pace.
    func verify(_ drafts: Int) -> Double {
        expected.verify[drafts] * exp(means[2..<(2 + drafts)].reduce(0, +))
    }

    /// Enters passes of the drafter.
    mutating func enterDrafts(_ passes: Double, seconds: Double) {
        guard passes > 0, seconds > 0 else { return }
        var shown = [Double](repeating: 0, count: means.count)
        (shown[0], shown[1]) = (1, 1)
        enter(log(seconds / (passes * expected.draft)), shown)
    }

    /// Enters the trunk's pass over `drafts` drafts of a sequence on average.
    mutating func enterVerify(_ drafts: Double, seconds: Double) {
        guard seconds > 0 else { return }
        let most = expected.verify.count - 1
        let whole = min(most, Int(drafts))
        let part = whole < most ? drafts - Double(whole) : 0
        let above = expected.verify[min(most, whole + 1)] - expected.verify[whole]
        var shown = [Double](repeating: 0, count: means.count)
        shown[0] = 1
        for place in 0..<whole { shown[2 + place] = 1 }
        if part > 0 { shown[2 + whole] = part }
        enter(log(seconds / (expected.verify[whole] + part * above)), shown)
    }

    /// - Parameter shown: how much of each mean the measurement is the sum of.
    private mutating func enter(_ measured: Double, _ shown: [Double]) {
        func sum(_ row: [Double]) -> Double { zip(row, shown).reduce(0) { $0 + $1.0 * $1.1 } }
        if isEmpty { means[0] = measured - sum(means) }
        isEmpty = false
        for place in means.indices {
            let step = place == 0 ? Self.paceStep : Self.excessStep
            // What never runs does not become less known than it was at first.
            let isKnown = covariances[place][place] < Self.firstExcess * Self.firstExcess
            if place == 0 || isKnown { covariances[place][place] += step * step }
        }
        let shared = covariances.map(sum)
        let variance = sum(shared) + Self.noise * Self.noise
        func limited(_ change: Double) -> Double { max(-Self.mostSurprise, min(Self.mostSurprise, change)) }
        let surprise = limited(measured - sum(means))
        for row in means.indices {
            means[row] += limited(shared[row] / variance * surprise)
            for column in means.indices {
                covariances[row][column] -= shared[row] * shared[column] / variance
            }
        }
    }
}
