/// Chooses how deep rounds draft: weighs what drafts are likely to give against what they cost.
///
/// How likely a draft stands is learnt from how sure the drafter was of those before it, what passes take from measuring
/// them. A `DraftPlan` then says when a chain is worth another pass or another row; where not even a first pass is, decoding
/// is plain, and tries drafts again at growing distances. Drafts never change tokens, so neither does the choice.
package struct DraftLengthChooser: Sendable {
    /// What a round drafted for a sequence, and what became of it.
    package struct Outcome: Sendable {
        /// The drafter's passes: as many drafts, the last of which may not have been worth verifying.
        package var passes: Int
        /// Drafts that were verified.
        package var verified: Int
        /// Drafts that stood.
        package var accepted: Int
        /// Drafts of which it is known whether they stand: up to the first that fell, or the answer's end.
        package var judged: Int
        /// Of the drafts, where the drafter tells them.
        package var margins: [Float]

        /// - Parameter isLast: whether the answer ended with the drafts that stood.
        package init(_ tree: DraftTree, accepted: Int, isLast: Bool = false) {
            (passes, verified, self.accepted) = (tree.passes, tree.tokens.count, accepted)
            judged = isLast ? accepted : min(tree.tokens.count, accepted + 1)
            margins = tree.margins
        }
    }

    private let maximum: Int
    private var times: RoundTimes
    private var acceptance = AcceptanceModel()
    /// About the best rate there is, tokens of a sequence a unit of expected cost.
    private var rate: Double
    private var plan: DraftPlan?
    private var roundsOfPlan = 0
    /// Depths to be tried before any weighing.
    private var trials: [Int]
    private var isPlain = false
    /// Whether the first trials are done.
    private var isWeighing = false
    private var untilProbe = DraftLengthChooser.shortestDistance
    private var distance = DraftLengthChooser.shortestDistance
    private var probes = 0
    /// Drafts that rounds verify, about.
    private var usual = 0.0
    /// The drafter's passes so far.
    private var passes = 0
    /// Whether the last round drafted, so that few rows are new to the drafter.
    private var hasDrafted = true

    /// Rounds between two probes, while drafting and at first; of plain decoding at most.
    private static let shortestDistance = 24
    private static let longestDistance = 384
    /// Plain decoding that loses no more than this by drafting, in tokens a round, tries it more often, if any draft seems
    /// worth a row.
    private static let closeness = 0.05
    /// A change between plain decoding and drafting must promise more tokens a round than this.
    private static let margin = 0.01
    /// What drafting is given beyond that before any draft was seen; less with every dozen passes.
    private static let hope = 0.15

    /// - Parameter costs: of rounds up to the deepest draft.
    package init(expecting costs: RoundCosts) {
        maximum = costs.verify.count - 1
        times = RoundTimes(expected: costs)
        rate = 1 / costs.verify[0]
        trials = [1, 1, 0]
    }

    /// One for other numbers of sequences, which knows what `other` learnt of drafts.
    package init(expecting costs: RoundCosts, knowing other: DraftLengthChooser) {
        self.init(expecting: costs)
        (acceptance, passes, trials) = (other.acceptance, other.passes, [0])
    }

    /// The next round's drafts; of no steps for a plain one.
    package mutating func choose() -> DraftShape {
        if !isWeighing, let trial = trials.popLast() { return .chain(trial, policy: .everything(trial)) }
        isWeighing = true
        let plan = currentPlan()
        let hope = Self.hope / (1 + Double(passes) / 12)
        if isPlain != (plan.worth + hope < (isPlain ? Self.margin : -Self.margin)) {
            isPlain.toggle()
            trials = []
            distance = Self.shortestDistance
            untilProbe = Self.shortestDistance / 2
        }
        if let trial = trials.popLast() { return .chain(trial, policy: .everything(trial)) }
        untilProbe -= 1
        if untilProbe <= 0 { return probe(isClose: plan.includesAny && plan.worth > -Self.closeness) }
        return isPlain ? .chain(0) : .chain(maximum, policy: plan.policy)
    }

    /// The plan, made anew when a sixteenth of what is known of drafts is new, or after sixteen rounds: it takes as long as a
    /// token of a small model.
    private mutating func currentPlan() -> DraftPlan {
        roundsOfPlan += 1
        if let plan, 16 * acceptance.news < acceptance.count, roundsOfPlan < 16 { return plan }
        acceptance.fit()
        let plan = DraftPlan(steps: maximum, acceptance: acceptance, times: times, rate: rate)
        rate = max(plan.rate, 0.5 / times.verify(0))
        (self.plan, roundsOfPlan) = (plan, 0)
        return plan
    }

    /// Enters a round: what it drafted for each of its sequences, and what its passes took, or 0 where others took part.
    package mutating func observe(_ outcomes: [Outcome], draftSeconds: Double, verifySeconds: Double) {
        guard !outcomes.isEmpty, outcomes.allSatisfy({ $0.verified <= maximum }) else { return }
        let count = Double(outcomes.count)
        usual += 0.1 * (outcomes.reduce(0) { $0 + Double($1.verified) } / count - usual)
        let drafted = outcomes.reduce(0) { $0 + $1.passes }
        passes += drafted
        // Behind plain steps the first pass takes the rows of all of them too.
        if hasDrafted { times.enterDrafts(Double(drafted) / count, seconds: draftSeconds) }
        hasDrafted = drafted > 0
        times.enterVerify(outcomes.reduce(0) { $0 + Double($1.verified) } / count, seconds: verifySeconds)
        for outcome in outcomes {
            acceptance.observe(margins: outcome.margins, judged: outcome.judged, accepted: outcome.accepted)
        }
        // A try that went well is continued, so that a text that became predictable is noticed.
        let wentWell = outcomes.allSatisfy { $0.verified > 0 && $0.accepted == $0.verified }
        if isWeighing, isPlain, wentWell, 2 > (times.verify(1) + times.draft) * rate { trials = [1] }
    }

    /// A round that shows what the plan does not look at: plain decoding's time, or drafts of all margins
    /// and one deeper than usual.
    private mutating func probe(isClose: Bool) -> DraftShape {
        probes += 1
        guard !isPlain else {
            if !isClose { distance = min(Self.longestDistance, distance * 2) }
            untilProbe = isClose ? Self.shortestDistance / 2 : distance
            return .chain(1, policy: .everything(1))
        }
        untilProbe = Self.shortestDistance
        let depth = probes.isMultiple(of: 2) ? 0 : min(Int(usual.rounded(.up)) + 1, maximum)
        return .chain(depth, policy: .everything(depth))
    }
}
