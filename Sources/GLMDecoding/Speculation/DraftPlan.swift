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
    /// Whether any margin that was seen lately makes a first draft worth its row.
    let includesAny: Bool

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
        includesAny = chances[0].contains { $0 >= including[0] }
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
