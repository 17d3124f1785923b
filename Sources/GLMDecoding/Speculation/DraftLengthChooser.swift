/// Chooses how deep the next round drafts: weighs measured acceptance against measured cost.
///
/// The expected rate of rounds with s drafts is (1 + Σ_{j ≤ s} Π_{i ≤ j} a_i) / T_s, where a_i is how often the i-th
/// draft was accepted when all before it were, and T_s the time of such a round; T_0 is that of a plain step. The
/// depth with the best rate is taken; now and then a neighbour, or plain decoding, is tried again, and plain
/// decoding tries drafts again at growing distances. Drafts never change tokens, so neither does the choice.
package struct DraftLengthChooser: Sendable {
    private let maximum: Int
    private var times: [Latest]
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
    private static let margin = 0.01

    /// - Parameter maximum: the deepest draft, at least 1.
    package init(maximum: Int) {
        precondition(maximum >= 1, "drafts of at most \(maximum)")
        self.maximum = maximum
        times = [Latest](repeating: Latest(), count: maximum + 1)
        hits = [Hits](repeating: Hits(), count: maximum)
        current = min(2, maximum)
        trials = [current, 0, current, 0, current, 0]
    }

    /// The depth of the next round; 0 is a plain step.
    package mutating func choose() -> Int {
        if isWeighing {
            let best = (0...maximum).max { rate($0) < rate($1) } ?? 0
            if rate(best) > rate(current) * (1 + Self.margin) {
                if best == 0 || current == 0 { distance = Self.shortestDistance }
                if current == 0 { trials = [] }
                current = best
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
        // Times as they are. A machine that becomes slower makes the others look fast until they are tried, some rounds
        // long; to excuse a depth by its own lateness would keep one whose first rounds happened to be fast.
        times[depth].append(seconds, keeping: 9)
        // What plain decoding tries now and then is rare, so the latest counts more.
        let memory = current == 0 ? 0.9 : 0.98
        for count in accepted {
            for place in 0..<min(depth, count + 1) { hits[place].append(place < count, memory: memory) }
        }
        // A try that went well is continued where it could pay, so that a text that became predictable is noticed.
        if isWeighing, current == 0, depth > 0, accepted.allSatisfy({ $0 == depth }),
            Double(depth + 1) / time(depth) > rate(0) * (1 + Self.margin)
        {
            trials = [depth]
        }
    }

    /// Tokens a second that rounds of `depth` drafts are expected to give a sequence.
    package func rate(_ depth: Int) -> Double {
        var (length, product, acceptance) = (1.0, 1.0, 0.7)
        for place in 0..<depth {
            acceptance = hits[place].share(prior: acceptance)
            product *= acceptance
            length += product
        }
        return length / time(depth)
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

    /// The measured time of a round, or a straight line through what is measured.
    private func time(_ depth: Int) -> Double {
        if let time = times[depth].median { return time }
        let known = times.indices.compactMap { depth in times[depth].median.map { (depth: depth, time: $0) } }
        guard let first = known.first, let last = known.last, first.depth < last.depth else {
            return (known.first?.time ?? 1) * Double(1 + depth)
        }
        let (low, high) =
            zip(known, known.dropFirst()).first { $1.depth > depth } ?? (known[known.count - 2], last)
        let slope = (high.time - low.time) / Double(high.depth - low.depth)
        return max(last.time / 8, low.time + slope * Double(depth - low.depth))
    }

    /// The latest of a series.
    private struct Latest: Sendable {
        private var latest: [Double] = []

        mutating func append(_ value: Double, keeping count: Int) {
            latest.append(value)
            if latest.count > count { latest.removeFirst() }
        }

        /// Robust against a step that the machine interrupted.
        var median: Double? {
            guard !latest.isEmpty else { return nil }
            let sorted = latest.sorted()
            return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
    }

    /// How often drafts of one depth were accepted, the latest counting most.
    private struct Hits: Sendable {
        private var tries = 0.0
        private var hits = 0.0

        mutating func append(_ hit: Bool, memory: Double) {
            tries = tries * memory + 1
            hits = hits * memory + (hit ? 1 : 0)
        }

        /// The share, with `prior` as good as two tries.
        func share(prior: Double) -> Double { (hits + 2 * prior) / (tries + 2) }
    }
}
