import Foundation

/// Pearson's test of counts against the shares they were drawn from.
package enum ChiSquare {
    /// Draws from the right shares give a worse fit than this once in twenty times; seeds are fixed.
    package static let level = 0.05

    /// Probability that draws from `shares` fit them worse than `counts` do, with one degree of freedom less than there
    /// are outcomes that can occur; 0 when one that cannot did.
    package static func fit(_ counts: [Int], _ shares: [Double]) -> Double { fit([(counts, shares)]) }

    /// The same for several independent tables together: their sums and their degrees of freedom add up.
    package static func fit(_ tables: [(counts: [Int], shares: [Double])]) -> Double {
        let sum = tables.reduce(0) { $0 + distance($1.counts, $1.shares) }
        return tail(sum, degrees: tables.reduce(0) { $0 + $1.shares.count { $0 > 0 } - 1 })
    }

    private static func distance(_ counts: [Int], _ shares: [Double]) -> Double {
        let total = Double(counts.reduce(0, +))
        return zip(counts, shares).reduce(0) { sum, pair in
            guard pair.1 > 0 else { return sum + (pair.0 > 0 ? .infinity : 0) }
            let difference = Double(pair.0) - pair.1 * total
            return sum + difference * difference / (pair.1 * total)
        }
    }

    /// Probability that χ² exceeds `x`.
    ///
    /// Q(k + 2) = Q(k) + (x/2)^(k/2) e^(−x/2) / Γ(k/2 + 1), from Q(1) = erfc √(x/2) and Q(2) = e^(−x/2).
    package static func tail(_ x: Double, degrees: Int) -> Double {
        guard x.isFinite else { return 0 }
        guard x > 0 else { return 1 }
        var k = degrees % 2 == 0 ? 2 : 1
        var sum = k == 2 ? exp(-x / 2) : erfc((x / 2).squareRoot())
        while k < degrees {
            sum += exp(Double(k) / 2 * log(x / 2) - x / 2 - lgamma(Double(k) / 2 + 1))
            k += 2
        }
        return sum
    }
}
