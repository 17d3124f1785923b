import GLMDecoding
import GLMTensor
import GLMTestSupport
import Testing

/// Acceptance on its own: greedy, exact, and with SGLang's thresholds.
@Suite struct VerifierTests {
    static let logits: [Float] = [0, 0.5, -1, 1.25, 2, -0.5, 0.1, 0.2, 0.3, 1, 1.5, -2]
    static let draws = 20_000

    static var parameters: SamplingParameters {
        var parameters = SamplingParameters()
        parameters.temperature = 0.9
        parameters.seed = 12
        return parameters
    }

    /// What plain sampling draws from.
    static func shares(_ parameters: SamplingParameters) -> [Double] {
        var sampler = Sampler()
        let (weights, mass) = sampler.distribution(
            logits[...], parameters: parameters, history: TokenHistory(prompt: []), stops: [])
        return weights.map { Double($0) / Double(mass) }
    }

    /// Critical values as tables print them.
    @Test(arguments: [
        (3.841, 1, 0.05), (5.991, 2, 0.05), (16.266, 3, 0.001), (13.277, 4, 0.01), (18.467, 4, 0.001),
        (19.675, 11, 0.05), (24.725, 11, 0.01), (31.264, 11, 0.001),
    ]) func theTailIsThatOfTables(x: Double, degrees: Int, level: Double) {
        #expect(abs(ChiSquare.tail(x, degrees: degrees) - level) < 2e-4 * level.squareRoot())
    }

    static func counts(
        _ rule: Verifier.Rule, drafted: [Int32], _ parameters: SamplingParameters = parameters
    ) -> [Int] {
        var verifier = Verifier()
        var counts = [Int](repeating: 0, count: logits.count)
        let wishes = Verifier.Wishes(parameters: parameters, stops: [], rule: rule)
        for position in 0..<draws {
            let token = verifier.choose(
                logits[...], drafted: drafted, wishes: wishes, history: TokenHistory(prompt: []),
                position: position)
            counts[Int(token)] += 1
        }
        return counts
    }

    static let lossless: [Verifier.Rule] = [.exact, .thresholds(single: 1, accumulated: 1)]

    @Test(arguments: lossless, [[], [4], [11], [4, 10, 3], [2, 4, 11, 0]] as [[Int32]])
    func atThresholdsOfOneTheDistributionStays(rule: Verifier.Rule, drafted: [Int32]) {
        let shares = Self.shares(Self.parameters)
        #expect(shares.allSatisfy { $0 > 0 })
        let fit = ChiSquare.fit(Self.counts(rule, drafted: drafted), shares)
        print("\(rule), drafted \(drafted): fit \(fit)")
        #expect(fit > ChiSquare.level)
    }

    /// Parameters under which token 4 is more probable than not: 0.63, where it is 0.31 at a temperature of 0.9.
    static var cold: SamplingParameters {
        var parameters = parameters
        parameters.temperature = 0.4
        return parameters
    }

    /// Negative control: at thresholds of one half the draft is followed, and the same test notices.
    @Test(arguments: [
        Verifier.Rule.thresholds(single: 1, accumulated: 0.5), .thresholds(single: 0.5, accumulated: 1),
        .thresholds(single: 0.5, accumulated: 0.5),
    ])
    func thresholdsOfOneHalfBendIt(rule: Verifier.Rule) {
        let shares = Self.shares(Self.cold)
        #expect(shares[4] > 0.5)
        #expect(ChiSquare.fit(Self.counts(rule, drafted: [4], Self.cold), shares) < 1e-6)
        #expect(ChiSquare.fit(Self.counts(.exact, drafted: [4], Self.cold), shares) > ChiSquare.level)
    }

    /// A single draft below its threshold needs its coin: nothing is bent.
    @Test func aSingleThresholdOfOneHalfIsForTheProbable() {
        let shares = Self.shares(Self.parameters)
        #expect(shares[4] > 0.3 && shares[4] < 0.5)
        let counts = Self.counts(.thresholds(single: 0.5, accumulated: 1), drafted: [4, 10])
        #expect(ChiSquare.fit(counts, shares) > ChiSquare.level)
        // But at 0.2 it stands, and shows.
        let bent = Self.counts(.thresholds(single: 0.2, accumulated: 1), drafted: [4, 10])
        #expect(ChiSquare.fit(bent, shares) < 1e-6)
    }

    /// Negative control: two draws in a hundred are enough to show.
    @Test func aSmallBiasShows() {
        let shares = Self.shares(Self.parameters)
        var counts = Self.counts(.exact, drafted: [4])
        counts[4] += Self.draws / 50
        counts[10] -= Self.draws / 50
        #expect(ChiSquare.fit(counts, shares) < ChiSquare.level)
    }

    @Test(arguments: lossless) func filtersHold(rule: Verifier.Rule) {
        var parameters = Self.parameters
        parameters.topK = 5
        parameters.topP = 0.8
        parameters.minP = 0.1
        let shares = Self.shares(parameters)
        let counts = Self.counts(rule, drafted: [10, 2], parameters)
        #expect(counts.indices.allSatisfy { shares[$0] > 0 || counts[$0] == 0 })
        let kept = shares.count { $0 > 0 }
        print("\(rule), \(kept) tokens left by filters: fit \(ChiSquare.fit(counts, shares))")
        #expect((3...5).contains(kept))
        #expect(ChiSquare.fit(counts, shares) > ChiSquare.level)
        // Control: shares that do not know the filters are not what was drawn.
        #expect(ChiSquare.fit(counts, Self.shares(Self.parameters)) < 1e-6)
    }

    /// A draft stands as often as its own probability says, and half as probable at a threshold of one half.
    @Test func acceptanceIsTheProbability() {
        let share = Self.shares(Self.parameters)[3]
        for (rule, expected) in [
            (Verifier.Rule.exact, share), (.thresholds(single: 1, accumulated: 1), share),
            (.thresholds(single: 1, accumulated: 0.5), 2 * share),
            (.thresholds(single: 0.01, accumulated: 1), 1),
            (.thresholds(single: 1, accumulated: 0), 1),
        ] {
            let hits = Double(Self.counts(rule, drafted: [3])[3]) / Double(Self.draws)
            // Five standard deviations; what is drawn after a refusal is never the refused token.
            #expect(abs(hits - expected) < 5 * 0.0035, "\(rule)")
        }
    }

    @Test func twoTokensInARowFollowTheirJointDistribution() {
        let shares = Self.shares(Self.parameters)
        for rule in Self.lossless {
            var verifier = Verifier()
            var counts = [Int](repeating: 0, count: 4)
            let wishes = Verifier.Wishes(parameters: Self.parameters, stops: [], rule: rule)
            for round in 0..<Self.draws {
                var position = 2 * round
                var tokens: [Int32] = []
                while tokens.count < 2 {
                    tokens.append(
                        verifier.choose(
                            Self.logits[...], drafted: [4], wishes: wishes, history: TokenHistory(prompt: []),
                            position: position))
                    position += 1
                }
                counts[(tokens[0] == 4 ? 2 : 0) + (tokens[1] == 4 ? 1 : 0)] += 1
            }
            let p = shares[4]
            let expected = [(1 - p) * (1 - p), (1 - p) * p, p * (1 - p), p * p]
            print("\(rule), pairs: fit \(ChiSquare.fit(counts, expected))")
            #expect(ChiSquare.fit(counts, expected) > ChiSquare.level)
        }
    }

    @Test func aZeroProbabilityNeverStandsAndACertainOneAlways() {
        var parameters = Self.parameters
        parameters.topK = 2
        #expect(Self.counts(.thresholds(single: 1, accumulated: 1), drafted: [11], parameters)[11] == 0)
        parameters.temperature = 0
        for rule in [Verifier.Rule.exact, .thresholds(single: 0.9, accumulated: 0.7)] {
            #expect(Self.counts(rule, drafted: [3, 4], parameters)[4] == Self.draws)
        }
    }

    @Test func theCoinBelongsToSeedAndPosition() {
        let rule = Verifier.Rule.thresholds(single: 1, accumulated: 0.8)
        #expect(Self.counts(rule, drafted: [4]) == Self.counts(rule, drafted: [4]))
        var other = Self.parameters
        other.seed = 13
        #expect(Self.counts(rule, drafted: [4], other) != Self.counts(rule, drafted: [4]))
    }

    // MARK: The walk

    static func rows(_ best: [Int]) -> Tensor {
        Tensor(
            shape: [best.count, 12], values: best.flatMap { best in (0..<12).map { $0 == best ? 5 : 0 } })
    }

    static func walk(
        _ tree: DraftTree, rows: [Int], first: Int = 0, stop: Int32? = nil
    ) -> (path: [Int], tokens: [Int32]) {
        var verifier = Verifier()
        let wishes = Verifier.Wishes(parameters: .greedy, stops: [], rule: .exact)
        var tokens: [Int32] = []
        let path = Verifier.walk(tree, logits: Self.rows(rows), first: first) { row, drafted in
            let token = verifier.choose(
                row, drafted: drafted, wishes: wishes, history: TokenHistory(prompt: []),
                position: tokens.count)
            tokens.append(token)
            return (token, token != stop)
        }
        return (path, tokens)
    }

    @Test func aChainStandsAsFarAsItIsRight() {
        let chain = DraftTree(chain: [3, 4, 5])
        #expect(Self.walk(chain, rows: [3, 4, 5, 6]) == ([0, 1, 2], [3, 4, 5, 6]))
        #expect(Self.walk(chain, rows: [3, 9, 5, 6]) == ([0], [3, 9]))
        #expect(Self.walk(chain, rows: [8, 4, 5, 6]) == ([], [8]))
        #expect(Self.walk(chain, rows: [0, 0, 3, 4, 1, 6], first: 2) == ([0, 1], [3, 4, 1]))
        #expect(Self.walk(DraftTree(), rows: [7]) == ([], [7]))
    }

    @Test func theWalkEndsWithTheSequence() {
        let chain = DraftTree(chain: [3, 4, 5])
        #expect(Self.walk(chain, rows: [3, 4, 5, 6], stop: 4) == ([0, 1], [3, 4]))
        #expect(Self.walk(chain, rows: [3, 9, 5, 6], stop: 9) == ([0], [3, 9]))
    }

    @Test func aTreeIsWalkedAlongTheRightChildren() {
        var tree = DraftTree()
        for (token, parent) in [(3, nil), (4, nil), (5, 1), (6, 1), (7, 3)] as [(Int32, Int?)] {
            tree.append(token, parent: parent)
        }
        #expect(tree.depth == 3)
        #expect(!tree.isChain)
        #expect(Self.walk(tree, rows: [4, 0, 6, 0, 7, 9]) == ([1, 3, 4], [4, 6, 7, 9]))
        #expect(Self.walk(tree, rows: [3, 8, 6, 0, 7, 9]) == ([0], [3, 8]))
    }
}
