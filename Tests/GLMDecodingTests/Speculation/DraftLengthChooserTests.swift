import GLMDecoding
import GLMTensor
import Testing

/// The chooser against simulated machines: it need not know them to do nearly as well as who does.
@Suite struct DraftLengthChooserTests {
    /// Tokens a second of `rounds` rounds on a machine where a round of s drafts takes `costs[s]` and every draft is
    /// right with `acceptance`; and how often each depth was chosen.
    static func run(
        _ chooser: inout DraftLengthChooser, acceptance: Double, costs: [Double], rounds: Int,
        seed: UInt64 = 1, pace: (_ depth: Int, _ round: Int) -> Double = { _, _ in 1 }
    ) -> (rate: Double, depths: [Int]) {
        let random = CounterRandom(seed: seed, stream: 9)
        var (tokens, seconds) = (0.0, 0.0)
        var depths = [Int](repeating: 0, count: costs.count)
        for round in 0..<rounds {
            let depth = chooser.choose()
            depths[depth] += 1
            var accepted = 0
            while accepted < depth,
                random.uniform(at: UInt64(round), lane: UInt32(accepted)) < acceptance
            { accepted += 1 }
            let noise = 0.95 + 0.1 * random.uniform(at: UInt64(round), lane: 50)
            let hiccup = random.uniform(at: UInt64(round), lane: 51) < 0.02 ? 6.0 : 1
            let time = costs[depth] * pace(depth, depths[depth])
            chooser.observe(depth: depth, accepted: [accepted], seconds: time * noise * hiccup)
            tokens += Double(accepted + 1)
            seconds += costs[depth]
        }
        return (tokens / seconds, depths)
    }

    static func expected(_ acceptance: Double, _ costs: [Double]) -> [Double] {
        var (length, product) = (1.0, 1.0)
        return costs.map { cost in
            defer {
                product *= acceptance
                length += product
            }
            return length / cost
        }
    }

    static let bytes = [1, 1.55, 2.1, 2.6, 3.1, 3.5]
    static let cheap = [1, 1.1, 1.2, 1.3, 1.4, 1.5]
    static let dear = [1, 2.2, 3.4, 4.6, 5.8, 7.0]

    @Test(arguments: [0, 0.3, 0.6, 0.79, 0.9, 1], [bytes, cheap, dear])
    func comesCloseToTheBestDepth(acceptance: Double, costs: [Double]) {
        let best = Self.expected(acceptance, costs).max() ?? 0
        var chooser = DraftLengthChooser(expectedCosts: Self.bytes)
        let result = Self.run(&chooser, acceptance: acceptance, costs: costs, rounds: 3000)
        #expect(result.rate > 0.955 * best, "\(result.rate) of \(best): \(result.depths)")
        // Never much slower than plain decoding.
        #expect(result.rate > 0.98, "\(result.depths)")
    }

    @Test func draftsNothingWhereNothingIsAcceptedAndTriesAgain() {
        var chooser = DraftLengthChooser(expectedCosts: Array(Self.bytes[...3]))
        let useless = Self.run(&chooser, acceptance: 0, costs: Self.bytes, rounds: 1000)
        #expect(useless.depths[0] > 960)
        #expect(useless.depths[0] < 1000)
        // Rows that were drafted and verified in vain, of 1000 that plain decoding runs.
        let wasted = useless.depths.enumerated().reduce(0) { $0 + $1.offset * $1.element }
        #expect(wasted < 20, "\(useless.depths)")
        // The text becomes predictable: sooner or later a probe notices.
        let better = Self.run(&chooser, acceptance: 1, costs: Self.bytes, rounds: 2000, seed: 2)
        #expect(better.depths[3] > 900, "\(better.depths)")
    }

    /// A lucky measurement is forgotten: depths whose first five rounds took 0.65 of their time do not stay.
    @Test(arguments: [1, 2, 3, 5, 6, 8])
    func firstRoundsThatWereFastByChanceAreForgotten(seed: Int) {
        let costs = [1, 2.3, 3.2, 4.0, 4.9, 5.8]
        var chooser = DraftLengthChooser(expectedCosts: Self.bytes)
        let result = Self.run(
            &chooser, acceptance: 0.95, costs: costs, rounds: 2500, seed: UInt64(seed)
        ) { depth, round in depth >= 2 && round <= 5 ? 0.65 : 1 }
        #expect(result.depths[2...].contains { $0 >= 5 }, "nothing was tried")
        #expect(result.rate > 0.98, "\(result.rate) of plain decoding: \(result.depths)")
    }

    /// Two hundred rounds where all depths are nearly as good: what is expected of costs keeps noise from deciding.
    @Test func expectedCostsSaveTrialsInAShortText() {
        let flat = [Double](repeating: 1, count: 6)
        func loss(expecting costs: [Double]) -> Double {
            let best = Self.expected(0.79, Self.bytes).max() ?? 0
            return (1...20).reduce(0) { sum, seed in
                var chooser = DraftLengthChooser(expectedCosts: costs)
                let result = Self.run(
                    &chooser, acceptance: 0.79, costs: Self.bytes, rounds: 200, seed: UInt64(seed))
                return sum + (1 - result.rate / best) / 20
            }
        }
        #expect(loss(expecting: Self.bytes) < 0.02)
        // Control: who expects drafts for nothing pays for it.
        #expect(loss(expecting: flat) > loss(expecting: Self.bytes))
    }

    /// A machine whose pace changes for all depths alike changes the choice for some rounds only.
    @Test(arguments: [20, 60, 200])
    func aMachineThatIsSlowerForAWhileMisleadsBriefly(period: Int) {
        let best = Self.expected(0.79, Self.bytes).max() ?? 0
        var chooser = DraftLengthChooser(expectedCosts: Self.bytes)
        var rounds = 0
        let result = Self.run(&chooser, acceptance: 0.79, costs: Self.bytes, rounds: 3000) { _, _ in
            rounds += 1
            return (rounds / period).isMultiple(of: 2) ? 1 : 1.5
        }
        #expect(result.rate > 0.93 * best, "\(result.rate) of \(best): \(result.depths)")
    }
}
