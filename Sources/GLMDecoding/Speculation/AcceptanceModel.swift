#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How likely a drafted token stands: a logistic curve over the margin between its logit and the next best.
package struct AcceptanceCurve: Sendable, Equatable {
    /// Of a constant, of the margin in deviations from the mean, and of standing behind another draft.
    var weights: [Double]
    var mean: Double
    var deviation: Double

    package init(weights: [Double], mean: Double, deviation: Double) {
        precondition(weights.count == 3, "\(weights.count) weights")
        self.weights = weights
        self.mean = mean
        self.deviation = deviation
    }

    /// The same for every margin.
    package init(constant probability: Double) {
        self.init(weights: [log(probability / (1 - probability)), 0, 0], mean: 0, deviation: 1)
    }

    /// - Parameter place: drafts before it in the round.
    func probability(margin: Float, place: Int) -> Double {
        probability(of: features(margin: margin, place: place))
    }

    fileprivate func probability(of features: [Double]) -> Double {
        1 / (1 + exp(-(weights[0] + weights[1] * features[1] + weights[2] * features[2])))
    }

    fileprivate func features(margin: Float, place: Int) -> [Double] {
        [1, max(-4, min(4, (Double(margin) - mean) / deviation)), place > 0 ? 1 : 0]
    }
}

/// Learns the curve from the latest drafts that were verified.
struct AcceptanceModel: Sendable {
    private struct Draft: Sendable {
        let margin: Float
        let place: Int
        let stood: Bool
    }

    private(set) var curve = AcceptanceCurve(constant: AcceptanceModel.expected)
    /// Margins of all drafts, of those too that were not worth verifying.
    private(set) var margins: [Float] = []
    private var drafts: [Draft] = []

    /// What a draft's acceptance is taken for before any was seen, and how many drafts that is as good as.
    private static let expected = 0.75
    private static let trust = 12.0
    /// Drafts that are remembered.
    private static let most = 256
    private static let mostMargins = 64
    /// One over the variance that the weights of margin and place are expected to have.
    private static let stiffness = 0.25

    /// Drafts that the curve rests on.
    var count: Int { drafts.count }

    /// Enters what a round drafted for a sequence.
    ///
    /// - Parameters:
    ///   - margins: of its drafts, and perhaps of one more; zeros where the drafter tells none.
    ///   - verified: drafts that the trunk saw.
    ///   - accepted: drafts that stood.
    mutating func observe(margins: [Float], verified: Int, accepted: Int) {
        for place in 0..<min(verified, accepted + 1) {
            drafts.append(Draft(margin: margins[place], place: place, stood: place < accepted))
        }
        self.margins += margins
        if drafts.count > Self.most { drafts.removeFirst(drafts.count - Self.most) }
        let excess = self.margins.count - Self.mostMargins
        if excess > 0 { self.margins.removeFirst(excess) }
    }

    /// Fits the curve to what is remembered: a few steps of Newton's method from where it was.
    mutating func fit() {
        guard !drafts.isEmpty else { return }
        let count = Double(drafts.count)
        curve.mean = drafts.reduce(0) { $0 + Double($1.margin) } / count
        let variance = drafts.reduce(0) { sum, draft in
            let distance = Double(draft.margin) - curve.mean
            return sum + distance * distance / count
        }
        curve.deviation = variance > 0 ? variance.squareRoot() : 1
        let rows = drafts.map { (x: curve.features(margin: $0.margin, place: $0.place), stood: $0.stood) }
        let trust = max(2, Self.trust - count / 8)
        for _ in 0..<3 {
            // What is expected counts as so many drafts of a mean margin.
            var gradient = [0.0, -Self.stiffness * curve.weights[1], -Self.stiffness * curve.weights[2]]
            var curvature = [[0.0, 0, 0], [0, Self.stiffness, 0], [0, 0, Self.stiffness]]
            func add(_ x: [Double], _ share: Double, times: Double) {
                let p = curve.probability(of: x)
                for i in 0..<3 {
                    gradient[i] += times * (share - p) * x[i]
                    for j in 0..<3 { curvature[i][j] += times * p * (1 - p) * x[i] * x[j] }
                }
            }
            add([1, 0, 0], Self.expected, times: trust)
            for row in rows { add(row.x, row.stood ? 1 : 0, times: 1) }
            let step = AcceptanceModel.solve(curvature, gradient)
            // A long step would leave what the curvature tells.
            for i in 0..<3 { curve.weights[i] += max(-2, min(2, step[i])) }
        }
    }

    /// Gauss elimination; the matrix is positive definite.
    private static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
        var (a, b) = (matrix, right)
        for pivot in 0..<b.count {
            for row in (pivot + 1)..<max(pivot + 1, b.count) {
                let factor = a[row][pivot] / max(a[pivot][pivot], 1e-9)
                for column in pivot..<b.count { a[row][column] -= factor * a[pivot][column] }
                b[row] -= factor * b[pivot]
            }
        }
        for row in (0..<b.count).reversed() {
            let known = ((row + 1)..<max(row + 1, b.count)).reduce(0) { $0 + a[row][$1] * b[$1] }
            b[row] = (b[row] - known) / max(a[row][row], 1e-9)
        }
        return b
    }
}
