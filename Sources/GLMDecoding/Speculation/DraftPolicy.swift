/// When a chain of drafts stops growing, told from how sure the drafter is.
///
/// Each draft's margin gives the probability that it stands; their product is the path's.
package struct DraftPolicy: Sendable, Equatable {
    private let curve: AcceptanceCurve
    /// For each place in the chain, the least probability of the path before it that is worth another pass of the drafter.
    private let continuing: [Double]
    /// For each place, the least probability of the path with it that is worth a row of the trunk.
    private let including: [Double]

    package init(_ curve: AcceptanceCurve, continuing: [Double], including: [Double]) {
        self.curve = curve
        self.continuing = continuing
        self.including = including
    }

    /// Drafts and verifies everything, so that margins and acceptance are seen.
    package static func everything(_ steps: Int) -> DraftPolicy {
        let zeros = [Double](repeating: 0, count: steps)
        return DraftPolicy(AcceptanceCurve(constant: 0.5), continuing: zeros, including: zeros)
    }

    /// The probability of a path with one more draft.
    package func extend(_ path: Double, by margin: Float, place: Int) -> Double {
        path * curve.probability(margin: margin, place: place)
    }

    /// Whether the draft at `place` is worth verifying on a path of this probability.
    package func includes(_ place: Int, path: Double) -> Bool {
        place < including.count && path >= including[place]
    }

    /// Whether to draft for `place` behind a path of this probability.
    package func continues(_ place: Int, path: Double) -> Bool {
        place < continuing.count && path >= continuing[place]
    }

    /// How deep a chain becomes whose drafter tells no margins.
    func depth(upTo most: Int) -> Int {
        var path = 1.0
        for place in 0..<most {
            guard place == 0 || continues(place, path: path) else { return place }
            path = extend(path, by: 0, place: place)
            guard includes(place, path: path) else { return place }
        }
        return most
    }
}

/// The policy that gives most tokens for the time, by dynamic programming from the deepest draft back to the first.
///
/// With λ tokens a unit of time, a pass costs λ·D and another verified row λ·V; a path of probability p and a draft that
/// stands with probability a give p·a tokens more. What a further pass at a place is worth is the mean over the margins
/// that drafts had lately. Where a whole round is worth exactly its time, λ is the best rate there is (Dinkelbach).
struct DraftPlan {
    let policy: DraftPolicy
    /// Tokens that drafting is worth beyond plain decoding, at the rate it was planned for.
    let worth: Double
    /// A better estimate of the best rate.
    let rate: Double

    /// Steps of the probability of a path.
    private static let grid = 32
    /// Margins that stand for all.
    private static let samples = 8

    /// - Parameters:
    ///   - steps: the deepest draft.
    ///   - rate: λ, tokens of one sequence a unit of time.
    init(steps: Int, acceptance: AcceptanceModel, times: RoundTimes, rate: Double) {
        let chances = (0..<2).map { DraftPlan.chances(acceptance, place: $0) }
        let (grid, draft) = (DraftPlan.grid, times.draft)
        var continuing = [Double](repeating: .infinity, count: steps)
        var including = continuing
        // Of a pass behind a path of each probability: its worth, and the time it and what follows it takes.
        var worth = [Double](repeating: 0, count: grid + 1)
        var time = worth
        for place in (0..<steps).reversed() {
            let row = times.verify(place + 1) - times.verify(place)
            let later = (worth: worth, time: time)
            for level in 0...grid {
                let path = Double(level) / Double(grid)
                if path - rate * row + max(0, later.worth[level]) > 0 {
                    including[place] = min(including[place], path)
                }
                (worth[level], time[level]) = (-rate * draft, draft)
                for chance in chances[min(place, 1)] {
                    let reached = path * chance
                    let next = Int(reached * Double(grid) + 0.5)
                    let gain = reached - rate * row + max(0, later.worth[next])
                    guard gain > 0 else { continue }
                    worth[level] += gain / Double(chances[0].count)
                    let more = later.worth[next] > 0 ? later.time[next] : 0
                    time[level] += (row + more) / Double(chances[0].count)
                }
                if worth[level] > 0 { continuing[place] = min(continuing[place], path) }
            }
        }
        policy = DraftPolicy(acceptance.curve, continuing: continuing, including: including)
        self.worth = worth[grid]
        let plain = times.verify(0)
        let drafts = self.worth > 0
        self.rate =
            rate + (1 - rate * plain + (drafts ? self.worth : 0)) / (plain + (drafts ? time[grid] : 0))
    }

    /// Probabilities that drafts stand, as often as they occur.
    private static func chances(_ acceptance: AcceptanceModel, place: Int) -> [Double] {
        let margins = acceptance.margins.sorted()
        return (0..<samples).map { index in
            let margin = margins.isEmpty ? 0 : margins[(2 * index + 1) * margins.count / (2 * samples)]
            return acceptance.curve.probability(margin: margin, place: place)
        }
    }
}
