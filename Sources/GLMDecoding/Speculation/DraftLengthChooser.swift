/// Chooses how deep the next round drafts: weighs measured acceptance against measured cost.
///
/// The expected rate of rounds with s drafts is (1 + Σ_{j ≤ s} Π_{i ≤ j} a_i) / T_s, where a_i is how often the i-th
/// draft was accepted when all before it were, and T_s the time of such a round; T_0 is that of a plain step. T_s begins
/// as an expected cost and follows what rounds take. The depth with the best rate is taken; now and then a neighbour, or
/// plain decoding, is tried again, and plain decoding tries drafts again at growing distances. Drafts never change tokens,
/// so neither does the choice.
package struct DraftLengthChooser: Sendable {
    private let maximum: Int
    private var times: RoundTimes
    private var hits: [Hits]
    /// Depths to be tried before any weighing.
    private var trials: [Int]
    private var current: Int
    /// Whether the first trials are done.
    private var isWeighing = false
    private var untilProbe = DraftLengthChooser.shortestDistance
    private var distance = DraftLengthChooser.shortestDistance
    private var probes = 0

    /// Rounds between two probes, at least and at most.
    private static let shortestDistance = 24
    private static let longestDistance = 384
    /// What comes as close as this to the best rate is probed more often.
    private static let closeness = 0.93
    /// A change must promise more than this share.
    private static let margin = 0.02
    /// What the first draft's acceptance is taken for before any was seen.
    private static let expectedAcceptance = 0.75

    /// - Parameter expectedCosts: of rounds of 0, 1, … drafts, in any unit; the last is the deepest draft.
    package init(expectedCosts: [Double]) {
        precondition(expectedCosts.count >= 2, "costs of \(expectedCosts.count) depths")
        maximum = expectedCosts.count - 1
        times = RoundTimes(expected: expectedCosts)
        hits = [Hits](repeating: Hits(), count: maximum)
        current = min(2, maximum)
        trials = [current, current, current, 0]
    }

    /// The depth of the next round; 0 is a plain step.
    package mutating func choose() -> Int {
        if isWeighing {
            let best = (0...maximum).max { rate($0) < rate($1) } ?? 0
            if rate(best) > rate(current) * (1 + Self.margin) {
                if best == 0 || current == 0 { distance = Self.shortestDistance }
                if current == 0 { trials = [] }
                current = best
                // Plain decoding may have put the next probe far off.
                untilProbe = min(untilProbe, Self.shortestDistance / 3)
            }
        }
        if let trial = trials.popLast() { return trial }
        isWeighing = true
        untilProbe -= 1
        return untilProbe <= 0 ? probe() : current
    }

    /// Enters a round of `depth` drafts that took `seconds`, and how many drafts each of its sequences accepted.
    package mutating func observe(depth: Int, accepted: [Int], seconds: Double) {
        guard (0...maximum).contains(depth) else { return }
        times.append(seconds, depth: depth)
        // What plain decoding tries now and then is rare, so the latest counts more.
        let memory = current == 0 ? 0.97 : 0.99
        for count in accepted {
            for place in 0..<min(depth, count + 1) { hits[place].append(place < count, memory: memory) }
        }
        // A try that went well is continued where it could pay, so that a text that became predictable is noticed.
        if isWeighing, current == 0, depth > 0, accepted.allSatisfy({ $0 == depth }),
            Double(depth + 1) / times[depth] > rate(0) * (1 + Self.margin)
        {
            trials = [depth]
        }
    }

    /// Tokens that rounds of `depth` drafts are expected to give a sequence, over their time in the unit of the expected
    /// costs.
    package func rate(_ depth: Int) -> Double {
        var (length, product, acceptance) = (1.0, 1.0, Self.expectedAcceptance)
        for place in 0..<depth {
            acceptance = hits[place].share(prior: acceptance)
            product *= acceptance
            length += product
        }
        return length / times[depth]
    }

    /// Something else than the current depth: its rivals, the more often the closer they come.
    private mutating func probe() -> Int {
        probes += 1
        let others = (current == 0 ? Array(1...maximum) : [0, current + 1, current - 1])
            .filter { $0 <= maximum && $0 != current }
        guard let rival = others.max(by: { rate($0) < rate($1) }) else { return current }
        let isClose = rate(rival) > Self.closeness * rate(current)
        guard current > 0 else {
            if !isClose { distance = min(Self.longestDistance, distance * 2) }
            untilProbe = isClose ? Self.shortestDistance / 2 : distance
            return rival
        }
        untilProbe = isClose ? Self.shortestDistance / 3 : Self.shortestDistance
        return isClose && !probes.isMultiple(of: 3) ? rival : others[probes % others.count]
    }

    /// How often drafts of one depth were accepted, the latest counting most.
    private struct Hits: Sendable {
        private var tries = 0.0
        private var hits = 0.0
        /// Tries that the prior is as good as; it fades, but not to nothing.
        private var trust = 12.0

        mutating func append(_ hit: Bool, memory: Double) {
            tries = tries * memory + 1
            hits = hits * memory + (hit ? 1 : 0)
            trust = max(2, trust * memory)
        }

        func share(prior: Double) -> Double { (hits + trust * prior) / (tries + trust) }
    }
}
