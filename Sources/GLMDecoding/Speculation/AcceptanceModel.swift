/// Learns from the latest drafts how likely others stand.
struct AcceptanceModel: Sendable {
    private struct Draft: Sendable {
        let margin: Float
        let place: Int
        let stood: Bool
    }

    private(set) var curve = AcceptanceCurve(constant: AcceptanceModel.expected)
    /// Margins of all drafts, of those too that were not worth verifying.
    private(set) var margins: [Float] = []
    /// Drafts of which it is known whether they stood.
    private var drafts: [Draft] = []
    /// Drafts that are newer than the curve.
    private(set) var news = 0
    /// Drafts that the curve could rest on.
    var count: Int { drafts.count }

    /// What a draft's acceptance is taken for before any was seen, and how many drafts that is as good as.
    private static let expected = 0.75
    private static let trust = 6.0
    /// Drafts that are remembered.
    private static let most = 256
    /// One over the variance that the weights of margin and place are expected to have.
    private static let stiffness = 0.25

    /// Enters what a round drafted for a sequence.
    ///
    /// - Parameters:
    ///   - margins: of its drafts, and perhaps of one more; none where the drafter tells none.
    ///   - judged: drafts of which it is known whether they stand.
    ///   - accepted: drafts that stood.
    mutating func observe(margins: [Float], judged: Int, accepted: Int) {
        for place in 0..<judged {
            let margin = place < margins.count ? margins[place] : 0
            drafts.append(Draft(margin: margin, place: place, stood: place < accepted))
        }
        self.margins += margins
        if drafts.count > Self.most { drafts.removeFirst(drafts.count - Self.most) }
        if self.margins.count > Self.most { self.margins.removeFirst(self.margins.count - Self.most) }
        news += judged
    }

    /// Fits the curve to what is remembered: a few steps of Newton's method from where it was.
    mutating func fit() {
        guard news > 0 else { return }
        news = 0
        let count = Double(drafts.count)
        curve.mean = drafts.reduce(0) { $0 + Double($1.margin) } / count
        let variance = drafts.reduce(0) { sum, draft in
            let distance = Double(draft.margin) - curve.mean
            return sum + distance * distance / count
        }
        curve.deviation = variance > 0 ? variance.squareRoot() : 1
        let trust = max(2, Self.trust - count / 8)
        for _ in 0..<3 {
            var slope = Slope(curve, stiffness: [0, Self.stiffness, Self.stiffness])
            // What is expected counts as so many drafts of a mean margin.
            slope.add([1, 0, 0], share: Self.expected, times: trust)
            for draft in drafts {
                slope.add(
                    curve.features(margin: draft.margin, place: draft.place), share: draft.stood ? 1 : 0,
                    times: 1)
            }
            // A long step would leave what the curvature tells.
            curve.weights += slope.step.clamped(
                lowerBound: -SIMD3(repeating: 2), upperBound: SIMD3(repeating: 2))
        }
    }

    /// Gradient and curvature of the logarithm of the likelihood.
    private struct Slope {
        private let curve: AcceptanceCurve
        private var gradient: SIMD3<Double>
        private var rows: (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>)

        init(_ curve: AcceptanceCurve, stiffness: SIMD3<Double>) {
            self.curve = curve
            gradient = -stiffness * curve.weights
            rows = ([stiffness.x, 0, 0], [0, stiffness.y, 0], [0, 0, stiffness.z])
        }

        mutating func add(_ x: SIMD3<Double>, share: Double, times: Double) {
            let p = curve.probability(of: x)
            gradient += times * (share - p) * x
            let weight = times * p * (1 - p)
            rows.0 += weight * x.x * x
            rows.1 += weight * x.y * x
            rows.2 += weight * x.z * x
        }

        /// Newton's step: the curvature's inverse times the gradient, by Cramer's rule.
        var step: SIMD3<Double> {
            let (a, b, c) = rows
            let across = (Slope.cross(b, c), Slope.cross(c, a), Slope.cross(a, b))
            let determinant = (a * across.0).sum()
            guard determinant > 1e-12 else { return .zero }
            return (gradient.x * across.0 + gradient.y * across.1 + gradient.z * across.2) / determinant
        }

        private static func cross(_ u: SIMD3<Double>, _ v: SIMD3<Double>) -> SIMD3<Double> {
            [u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x]
        }
    }
}
