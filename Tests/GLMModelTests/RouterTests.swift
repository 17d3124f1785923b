import Foundation
import GLMKernels
import GLMModel
import GLMTensor
import GLMWeights
import Testing

/// A one-hot gate makes the router controllable: with W^G = I the logits are the input itself.
@Suite struct RouterTests {
    static func router(
        bias: [Float], groups: Int = 1, kept: Int = 1, perToken: Int = 2, normalizes: Bool = true,
        scaling: Float = 1
    ) -> Router {
        let experts = bias.count
        var identity = Tensor(zeros: [experts, experts])
        for expert in 0..<experts { identity.values[expert * experts + expert] = 1 }
        return Router(
            gate: identity, correctionBias: bias, groups: groups, groupsPerToken: kept,
            expertsPerToken: perToken, normalizes: normalizes, scaling: scaling,
            compute: Compute(kernels: .table(.best), pool: ThreadPool(threads: 1)))
    }

    static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    @Test func weightsAreUnbiasedAffinities() {
        // The bias lifts expert 3 over expert 1, but its weight stays the plain sigmoid.
        let router = Self.router(bias: [0, 0, 0, 1], normalizes: false, scaling: 2.5)
        let (routing, logits) = router(Tensor(shape: [1, 4], values: [2, 1, 0, -1]))
        #expect(logits.values == [2, 1, 0, -1])
        #expect(routing.experts == [0, 3])
        for (weight, logit) in zip(routing.weights, [2.0, -1.0]) {
            #expect(abs(Double(weight) - 2.5 * Self.sigmoid(logit)) < 1e-6)
        }
    }

    @Test func normalisedWeightsSumToTheScaling() {
        let (routing, _) = Self.router(bias: [0, 0, 0, 0], scaling: 1.75)(
            Tensor(shape: [1, 4], values: [3, -2, 1, 0]))
        #expect(routing.experts == [0, 2])
        #expect(abs(routing.weights.reduce(0, +) - 1.75) < 1e-6)
    }

    @Test func tiesGoToTheLowerExpert() {
        let (routing, _) = Self.router(bias: [Float](repeating: 0, count: 6), perToken: 3)(
            Tensor(zeros: [1, 6]))
        #expect(routing.experts == [0, 1, 2])
    }

    @Test func groupScoreIsTheSumOfTheTwoBest() {
        // Group 0 has the single best expert, group 1 the better pair.
        let router = Self.router(bias: [0, 0, 0, 0], groups: 2, kept: 1, perToken: 1)
        #expect(router(Tensor(shape: [1, 4], values: [3, -9, 2, 2])).routing.experts == [2])
    }

    @Test func losingGroupsAreMaskedEvenWhenAllScoresAreNegative() {
        // With a bias of −2 every score is negative; a mask of 0 would choose from the losing group.
        let router = Self.router(bias: [-2, -2, -2, -2], groups: 2, kept: 1, perToken: 2)
        #expect(router(Tensor(shape: [1, 4], values: [1, 1, 2, 2])).routing.experts == [2, 3])
    }

    @Test func equalGroupsGoToTheLower() {
        let router = Self.router(bias: [0, 0, 0, 0], groups: 2, kept: 1, perToken: 2)
        #expect(router(Tensor(zeros: [1, 4])).routing.experts == [0, 1])
    }
}
