import GLMDecoding
import GLMTensor
import GLMTestSupport
import Testing

/// A row of logits that depends on the seed alone: bell-shaped, with exact ties among them.
private func row(_ count: Int, seed: UInt64, spread: Float = 4) -> [Float] {
    let random = CounterRandom(seed: seed, stream: 99)
    return (0..<count).map { index in
        let sum = (0..<4).reduce(0.0) { $0 + random.uniform(at: UInt64(index), lane: UInt32($1)) }
        return (Float(sum - 2) * spread * 16).rounded() / 16
    }
}

private func sample(
    _ logits: [Float], _ parameters: SamplingParameters, prompt: [Int32] = [], generated: [Int32] = [],
    stops: [Int32] = [], position: Int = 0
) -> Int32 {
    var history = TokenHistory(prompt: prompt)
    for token in generated { history.append(token) }
    var sampler = Sampler()
    return sampler.sample(
        logits[...], parameters: parameters, history: history, stops: stops, position: position)
}

/// The tokens that occur in `draws` draws, in ascending order.
private func support(_ logits: [Float], _ parameters: SamplingParameters, draws: Int = 400) -> [Int32] {
    Set((0..<draws).map { sample(logits, parameters, position: $0) }).sorted()
}

@Test func greedyTakesTheLargestAndTiesGoToTheLowerToken() {
    #expect(sample([1, 5, 5, 2], .greedy) == 1)
    #expect(sample([1, 5, 6, 2], .greedy) == 2)
    var almost = SamplingParameters()
    almost.temperature = 0.9e-6
    #expect(sample([1, 5, 5, 2], almost) == 1)
    #expect(sample([.nan, -.infinity, .nan, -7], .greedy) == 3)
    #expect(sample([.nan, -.infinity], .greedy) == 0)
}

@Test func penaltiesFollowTheOrderOfTheSpecification() {
    var parameters = SamplingParameters.greedy
    // Frequency and presence count generated tokens only: 3 − 2 · 0.5 − 0.6 = 1.4 for token 0, which then
    // loses to 1.5.
    parameters.frequencyPenalty = 0.5
    parameters.presencePenalty = 0.6
    #expect(sample([3, 1.5], parameters, generated: [0, 0]) == 1)
    #expect(sample([3, 1.5], parameters, generated: [0]) == 0)
    #expect(sample([3, 1.5], parameters, prompt: [0, 0, 0, 0]) == 0)
    // Repetition comes after: 0.5 − 1 = −0.5 is multiplied by 4, not divided; the reverse order would leave
    // −0.875.
    parameters = .greedy
    parameters.presencePenalty = 1
    parameters.repetitionPenalty = 4
    #expect(sample([0.5, -1], parameters, generated: [0]) == 1)
    #expect(sample([0.5, -1], .greedy, generated: [0]) == 0)
    // Repetition counts the prompt, bias comes last: 2 / 4 + 1 = 1.5 > 1.2; before the penalty it would give
    // 0.75.
    parameters = .greedy
    parameters.repetitionPenalty = 4
    #expect(sample([2, 1.2], parameters, prompt: [0]) == 1)
    parameters.logitBias = [TokenBias(token: 0, bias: 1)]
    #expect(sample([2, 1.2], parameters, prompt: [0]) == 0)
}

@Test func stopTokensAreBannedUntilEnoughIsGenerated() {
    var parameters = SamplingParameters.greedy
    parameters.minimumTokens = 2
    #expect(sample([9, 1], parameters, generated: [1], stops: [0]) == 1)
    #expect(sample([9, 1], parameters, generated: [1, 1], stops: [0]) == 0)
    #expect(sample([9, 1], parameters, generated: [1]) == 0)
}

@Test func eachFilterKeepsWhatItSays() {
    // Probabilities 0.4, 0.3, 0.2, 0.1 in the order 2, 0, 3, 1.
    let logits: [Float] = [-1.2039728, -2.3025851, -0.9162907, -1.6094379]
    var parameters = SamplingParameters()
    #expect(support(logits, parameters) == [0, 1, 2, 3])
    parameters.topK = 3
    #expect(support(logits, parameters) == [0, 2, 3])
    parameters = SamplingParameters()
    parameters.topP = 0.65  // before 2: 0, before 0: 0.4, before 3: 0.7
    #expect(support(logits, parameters) == [0, 2])
    parameters.topP = 0.75
    #expect(support(logits, parameters) == [0, 2, 3])
    parameters = SamplingParameters()
    parameters.minP = 0.6  // 0.3 / 0.4 stays, 0.2 / 0.4 goes
    #expect(support(logits, parameters) == [0, 2])
    parameters.minP = 0.45
    #expect(support(logits, parameters) == [0, 2, 3])
    // Joint: the mass is measured on the full distribution, also under top-k; renormalised to 3 tokens, 0
    // would be preceded by 0.44 and 3 by 0.78.
    parameters = SamplingParameters()
    parameters.topK = 3
    parameters.topP = 0.72
    #expect(support(logits, parameters) == [0, 2, 3])
}

@Test func tiesAtACutGoToTheLowerToken() {
    var parameters = SamplingParameters()
    parameters.topK = 2
    #expect(support([1, 1, 1, 1], parameters) == [0, 1])
    #expect(support([1, 3, 1, 1], parameters) == [0, 1])
    #expect(support([1, 1, 1, 3], parameters) == [0, 3])
}

@Test func drawsAreKeyedBySeedAndPosition() {
    let logits = row(500, seed: 1)
    var parameters = SamplingParameters()
    parameters.seed = 11
    let draws = (0..<64).map { sample(logits, parameters, position: $0) }
    #expect(draws == (0..<64).map { sample(logits, parameters, position: $0) })
    #expect(Set(draws).count > 16)
    parameters.seed = 12
    #expect(draws != (0..<64).map { sample(logits, parameters, position: $0) })
}

@Test func scratchMemoryLeavesNoTrace() {
    var sampler = Sampler()
    var parameters = SamplingParameters()
    parameters.topP = 0.9
    let history = TokenHistory(prompt: [])
    let (short, long) = (row(40, seed: 5), row(900, seed: 6))
    for position in 0..<20 {
        let first = sampler.sample(
            short[...], parameters: parameters, history: history, stops: [], position: position)
        _ = sampler.sample(long[...], parameters: parameters, history: history, stops: [], position: position)
        let again = sampler.sample(
            short[...], parameters: parameters, history: history, stops: [], position: position)
        #expect(first == again && first == sample(short, parameters, position: position))
    }
}

// MARK: the naive twin

/// The same token by sorting everything in Double, and how close the draw came to a border.
private func naive(_ logits: [Float], _ p: SamplingParameters, position: Int) -> (
    token: Int32, margin: Double
) {
    let best = Double(logits.max() ?? 0)
    var ranked = logits.indices.sorted { (-logits[$0], $0) < (-logits[$1], $1) }
        .map { (token: $0, weight: exponential((Double(logits[$0]) - best) / Double(p.temperature))) }
    let total = ranked.reduce(0) { $0 + $1.weight }
    var before = 0.0
    var kept: [(token: Int, weight: Double)] = []
    for (rank, entry) in ranked.enumerated() {
        if rank >= p.topK ?? .max || before > Double(p.topP) * total || entry.weight < Double(p.minP) {
            break
        }
        kept.append(entry)
        before += entry.weight
    }
    ranked = kept
    let target = CounterRandom(seed: p.seed ?? 0, stream: 0).uniform(at: UInt64(position)) * before
    var passed = 0.0
    for entry in ranked {
        passed += entry.weight
        if passed > target {
            return (Int32(entry.token), min(passed - target, target - passed + entry.weight) / before)
        }
    }
    return (Int32(ranked[ranked.count - 1].token), 0)
}

/// e^x by a long series, for x ≤ 0: halves x until it is small, then squares back.
private func exponential(_ x: Double) -> Double {
    guard x > -700 else { return 0 }
    let small = x / 1024
    var (term, sum) = (1.0, 1.0)
    for n in 1...20 {
        term *= small / Double(n)
        sum += term
    }
    for _ in 0..<10 { sum *= sum }
    return sum
}

@Test(arguments: [1, 2, 7, 33, 1000, 5000])
func theSamplerEqualsItsNaiveTwin(vocabulary: Int) {
    var clear = 0
    for trial in 0..<60 {
        let random = CounterRandom(seed: UInt64(trial), stream: 5)
        func choice(_ lane: UInt32, of count: Int) -> Int {
            Int(random.uniform(at: 0, lane: lane) * Double(count))
        }
        var p = SamplingParameters()
        p.temperature = [0.3, 0.7, 1, 2.5][choice(0, of: 4)]
        p.topK = [nil, nil, 1, 5, 200][choice(1, of: 5)]
        p.topP = [1, 0.5, 0.95, 0.999][choice(2, of: 4)]
        p.minP = [0, 0, 0.01, 0.3][choice(3, of: 4)]
        p.seed = UInt64(trial)
        let logits = row(vocabulary, seed: UInt64(trial), spread: [0, 0.01, 4, 40][choice(4, of: 4)])
        for position in 0..<4 {
            let wish = naive(logits, p, position: position)
            // a draw on a border is decided by the twin's rounding
            guard wish.margin > 1e-9 else { continue }
            clear += 1
            #expect(sample(logits, p, position: position) == wish.token, "trial \(trial), \(p)")
        }
    }
    #expect(clear > 200)
}

// MARK: distribution

@Test func drawsFollowTheDistribution() {
    let logits: [Float] = [0, 0.5, -1, 1.25, 2, -0.5, 0.1, 0.2, 0.3, 1, 1.5, -2]
    var parameters = SamplingParameters()
    parameters.temperature = 0.8
    parameters.seed = 4
    func shares(_ temperature: Double) -> [Double] {
        let weights = logits.map { exponential((Double($0) - 2) / temperature) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
    var counts = [Int](repeating: 0, count: logits.count)
    for position in 0..<20_000 { counts[Int(sample(logits, parameters, position: position))] += 1 }
    #expect(ChiSquare.fit(counts, shares(0.8)) > ChiSquare.level)
    // Negative control: a temperature that is off by a twentieth is noticed.
    #expect(ChiSquare.fit(counts, shares(0.84)) < 0.001)
}
