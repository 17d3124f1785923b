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
