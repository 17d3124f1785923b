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
    var weights: SIMD3<Double>
    var mean: Double
    var deviation: Double

    package init(weights: SIMD3<Double>, mean: Double, deviation: Double) {
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

    func probability(of features: SIMD3<Double>) -> Double { 1 / (1 + exp(-(weights * features).sum())) }

    func features(margin: Float, place: Int) -> SIMD3<Double> {
        [1, max(-4, min(4, (Double(margin) - mean) / deviation)), place > 0 ? 1 : 0]
    }
}
