import GLMDecoding
import GLMTensor
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The chooser against simulated machines and drafters: it need not know them to do nearly as well as who does.
@Suite struct DraftLengthChooserTests {
    /// What a round costs in truth: the trunk's passes, and one of the drafter.
    struct Machine: Sendable {
        var verify: [Double]
        var draft: Double

        /// Rounds of 0, 1, … drafts that cost so much together.
        init(_ totals: [Double], draft: Double = 0.1) {
            verify = totals.enumerated().map { $1 - Double($0) * draft }
            self.draft = draft
        }

        var costs: RoundCosts { RoundCosts(verify: verify, draft: draft) }
    }

    /// What becomes of drafts.
    enum Drafts: Sendable {
        /// Right with this probability, and always equally sure.
        case even(Double)
        /// Right with the probability that their margins tell, which lie evenly in 0 … 1: 1 / (1 + exp(a − b · margin)).
        case told(Double, Double)

        func probability(_ margin: Double) -> Double {
            switch self {
            case .even(let share): share
            case .told(let offset, let slope): 1 / (1 + exp(offset - slope * margin))
            }
        }
    }

    struct Result {
        var rate: Double
        /// Rounds that verified 0, 1, … drafts.
        var depths: [Int]
        /// Passes of the drafter.
        var passes = 0
    }

    /// Tokens a unit of cost of `rounds` rounds.
    static func run(
        _ chooser: inout DraftLengthChooser, _ drafts: Drafts, _ machine: Machine, rounds: Int,
        seed: UInt64 = 1, pace: (_ depth: Int, _ round: Int) -> Double = { _, _ in 1 }
    ) -> Result {
        let random = CounterRandom(seed: seed, stream: 9)
        var (tokens, seconds) = (0.0, 0.0)
        var result = Result(rate: 0, depths: [Int](repeating: 0, count: machine.verify.count))
        for round in 0..<rounds {
            func coin(_ lane: Int) -> Double { random.uniform(at: UInt64(round), lane: UInt32(lane)) }
            let shape = chooser.choose()
            var tree = DraftTree()
            var (path, accepted, stands) = (1.0, 0, true)
            for place in 0..<shape.steps {
                if place > 0, shape.policy?.continues(place, path: path) == false { break }
                let margin = coin(2 * place)
                if case .told = drafts { tree.margins.append(Float(margin)) } else { tree.margins.append(1) }
                if let policy = shape.policy {
                    path = policy.extend(path, by: tree.margins[place], place: place)
                    if !policy.includes(place, path: path) { break }
                }
                tree.append(1, parent: tree.tokens.indices.last)
                stands = stands && coin(2 * place + 1) < drafts.probability(margin)
                accepted += stands ? 1 : 0
            }
            let depth = tree.tokens.count
            result.depths[depth] += 1
            result.passes += tree.passes
            let noise = 0.95 + 0.1 * coin(100)
            let hiccup = coin(101) < 0.02 ? 6.0 : 1
            let slow = pace(depth, result.depths[depth]) * noise * hiccup
            let draft = Double(tree.passes) * machine.draft
            chooser.observe(
                [DraftLengthChooser.Outcome(tree, accepted: accepted)], draftSeconds: draft * slow,
                verifySeconds: machine.verify[depth] * slow)
            tokens += Double(accepted + 1)
            seconds += machine.verify[depth] + draft
        }
        result.rate = tokens / seconds
        return result
    }

    /// Rates of fixed depths whose drafts are right with one probability.
    static func expected(_ acceptance: Double, _ machine: Machine) -> [Double] {
        var (length, product) = (1.0, 1.0)
        return machine.verify.enumerated().map { depth, cost in
            defer {
                product *= acceptance
                length += product
            }
            return length / (cost + Double(depth) * machine.draft)
        }
    }

    static let bytes = Machine([1, 1.55, 2.1, 2.6, 3.1, 3.5])
    static let cheap = Machine([1, 1.1, 1.2, 1.3, 1.4, 1.5], draft: 0.05)
    static let dear = Machine([1, 2.2, 3.4, 4.6, 5.8, 7.0])

    /// Also where costs turn out to be quite others than expected.
    @Test(arguments: [0, 0.3, 0.6, 0.79, 0.9, 1], [bytes, cheap, dear])
    func comesCloseToTheBestDepth(acceptance: Double, machine: Machine) {
        let best = Self.expected(acceptance, machine).max() ?? 0
        var chooser = DraftLengthChooser(expecting: Self.bytes.costs)
        let result = Self.run(&chooser, .even(acceptance), machine, rounds: 3000)
        #expect(result.rate > 0.955 * best, "\(result.rate) of \(best): \(result.depths)")
        // Never much slower than plain decoding.
        #expect(result.rate > 0.98, "\(result.depths)")
    }

    /// Drafts that tell how sure they are give more than any fixed depth; those that only seem to do not.
    @Test func whatMarginsTellIsUsed() {
        let told = Drafts.told(3, 9)
        let mean = (0..<1000).reduce(0) { $0 + told.probability((Double($1) + 0.5) / 1000) / 1000 }
        let best = Self.expected(mean, Self.bytes).max() ?? 0
        var chooser = DraftLengthChooser(expecting: Self.bytes.costs)
        let result = Self.run(&chooser, told, Self.bytes, rounds: 2000)
        #expect(result.rate > 1.08 * best, "\(result.rate), fixed \(best): \(result.depths)")
        // Control: margins that have nothing to do with acceptance.
        var fooled = DraftLengthChooser(expecting: Self.bytes.costs)
        let useless = Self.run(&fooled, .told(log((1 - mean) / mean), 0), Self.bytes, rounds: 2000)
        #expect(useless.rate < 1.01 * best && useless.rate > 0.94 * best, "\(useless.rate) of \(best)")
    }

    @Test func draftsNothingWhereNothingIsAcceptedAndTriesAgain() {
        let machine = Machine(Array([1, 1.55, 2.1, 2.6]))
        var chooser = DraftLengthChooser(expecting: machine.costs)
        let useless = Self.run(&chooser, .even(0), machine, rounds: 1000)
        #expect(useless.depths[0] > 960)
        #expect(useless.depths[0] < 1000)
        // Rows that were verified in vain, of 1000 that plain decoding runs.
        let wasted = useless.depths.enumerated().reduce(0) { $0 + $1.offset * $1.element }
        #expect(wasted < 20, "\(useless.depths)")
        #expect(useless.passes < 30, "\(useless.passes)")
        // The text becomes predictable: sooner or later a probe notices.
        let better = Self.run(&chooser, .even(1), machine, rounds: 2000, seed: 2)
        #expect(better.depths[3] > 900, "\(better.depths)")
    }

    /// Drafts that are hardly ever worth their row are given up soon, also where the drafter costs little.
    @Test(arguments: [(0.45, 0.06, 0.0), (0.6, 0.1, 0), (0.5, 0.03, 0.3), (0.45, 0.1, 0)])
    func whatIsTakenBackEveryTimeIsGivenUp(row: Double, draft: Double, acceptance: Double) {
        let machine = Machine((0...5).map { 1 + Double($0) * (row + draft) }, draft: draft)
        for (rounds, least) in [(120, 0.94), (400, 0.975), (1500, 0.985)] {
            var chooser = DraftLengthChooser(expecting: machine.costs)
            let result = Self.run(&chooser, .even(acceptance), machine, rounds: rounds)
            #expect(
                result.rate > least,
                "\(rounds) rounds: \(result.rate), \(result.passes) passes, \(result.depths)")
        }
    }

    /// A chooser that knows another's drafts needs no trials; one that knows nothing tries.
    @Test func whatOthersLearntIsKnown() {
        let machine = Machine([1, 1.55, 2.1, 2.6])
        var first = DraftLengthChooser(expecting: machine.costs)
        _ = Self.run(&first, .even(0), machine, rounds: 200)
        var second = DraftLengthChooser(expecting: machine.costs, knowing: first)
        #expect(Self.run(&second, .even(0), machine, rounds: 20).passes <= 1)
        var third = DraftLengthChooser(expecting: machine.costs)
        #expect(Self.run(&third, .even(0), machine, rounds: 20).passes > 1)
    }

    /// Rounds beside which others ran tell of acceptance and not of time.
    @Test func timesOfOthersAreNotLearnt() {
        func depth(seconds: Double) -> Int {
            var chooser = DraftLengthChooser(expecting: Self.bytes.costs)
            for _ in 0..<60 {
                let shape = chooser.choose()
                var tree = DraftTree()
                for place in 0..<shape.steps {
                    tree.append(1, parent: tree.tokens.indices.last)
                    tree.margins.append(Float(place))
                }
                // Verified drafts seem to cost ten times as much.
                let verify = seconds * (tree.tokens.isEmpty ? 1 : 10)
                chooser.observe(
                    [DraftLengthChooser.Outcome(tree, accepted: tree.tokens.count)], draftSeconds: seconds,
                    verifySeconds: verify)
            }
            return (0..<8).map { _ in chooser.choose().steps }.max() ?? 0
        }
        #expect(depth(seconds: 0) == 5)
        // Control: times that count change the choice.
        #expect(depth(seconds: 1) < 5)
    }

    /// A lucky measurement is forgotten: depths whose first five rounds took 0.65 of their time do not stay.
    @Test(arguments: [1, 2, 3, 5, 6, 8])
    func firstRoundsThatWereFastByChanceAreForgotten(seed: Int) {
        let machine = Machine([1, 2.3, 3.2, 4.0, 4.9, 5.8])
        var chooser = DraftLengthChooser(expecting: Self.bytes.costs)
        let result = Self.run(&chooser, .even(0.95), machine, rounds: 2500, seed: UInt64(seed)) {
            $0 >= 1 && $1 <= 5 ? 0.65 : 1
        }
        #expect(result.depths[1] >= 2, "nothing was tried: \(result.depths)")
        #expect(result.rate > 0.98, "\(result.rate) of plain decoding: \(result.depths)")
    }

    /// Two hundred rounds where several depths are nearly as good: what is expected of costs keeps noise from deciding.
    @Test func expectedCostsSaveTrialsInAShortText() {
        func loss(expecting machine: Machine) -> Double {
            let best = Self.expected(0.79, Self.bytes).max() ?? 0
            return (1...20).reduce(0) { sum, seed in
                var chooser = DraftLengthChooser(expecting: machine.costs)
                let result = Self.run(
                    &chooser, .even(0.79), Self.bytes, rounds: 200, seed: UInt64(seed))
                return sum + (1 - result.rate / best) / 20
            }
        }
        let informed = loss(expecting: Self.bytes)
        #expect(informed < 0.03, "\(informed)")
        // Control: who expects verified drafts for nothing pays for it.
        let flat = Machine([1, 1.02, 1.04, 1.06, 1.08, 1.1], draft: 0.01)
        #expect(loss(expecting: flat) > informed)
    }

    /// A machine whose pace changes for all depths alike changes the choice for some rounds only.
    @Test(arguments: [20, 60, 200])
    func aMachineThatIsSlowerForAWhileMisleadsBriefly(period: Int) {
        let best = Self.expected(0.79, Self.bytes).max() ?? 0
        var chooser = DraftLengthChooser(expecting: Self.bytes.costs)
        var rounds = 0
        let result = Self.run(&chooser, .even(0.79), Self.bytes, rounds: 3000) { _, _ in
            rounds += 1
            return (rounds / period).isMultiple(of: 2) ? 1 : 1.5
        }
        #expect(result.rate > 0.93 * best, "\(result.rate) of \(best): \(result.depths)")
    }
}
