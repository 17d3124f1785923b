import Foundation
import GLMDecoding
import GLMEngine
import GLMModel
import GLMSynthesis
import GLMTensor
import Testing

/// Greedy output with speculation is that of plain greedy decoding, whatever is drafted, how much, and beside whom.
@Suite struct SpeculationEqualityTests {
    static let length = 16

    /// Who drafts: the MTP layer, or by chance with these probabilities.
    static let probabilities: [Double?] = [nil, 0, 0.5, 0.8, 1]

    /// All depths, as a chain and as a tree, by all drafters, in batches of 1 to 8. A fifth of the prompts each time, a Latin
    /// square: every prompt meets every depth as a chain and as a tree, and every drafter with both; where they are `halved`,
    /// every depth and every drafter once, in turns with a chain and with a tree.
    @Test(arguments: [
        ("nano", 200, false), ("small", 200, true), ("tiny", 60, false), ("shared-odd", 60, false),
        ("nano-fp8", 60, false),
    ])
    func equalsPlainGreedy(name: String, count: Int, halved: Bool) async throws {
        let source = try SpeculationModel.named(name)
        let prompts = source.prompts(count, salt: 11)
        let topK = source.model.configuration.indexTopK
        #expect(prompts.count { $0.count <= topK } >= count / 2)
        #expect(prompts.count { $0.count >= 6 * topK } >= count / 10)
        let plain = try await answers(prompts.map { greedy($0, tokens: Self.length) }, source.model)
        let continuations = Dictionary(
            zip(prompts, plain.map(\.tokens)), uniquingKeysWith: { first, _ in first })
        let eagle = try #require(EagleDrafter(source.model))
        var met = [Met](repeating: Met(), count: count)
        var batches: Set<Int> = []
        var runs = 0
        var accepted = [Int](repeating: 0, count: Self.probabilities.count)
        var cells: Set<[Int]> = []
        for run in 0..<50 {
            let (steps, kind, isTree) = (1 + run % 5, run / 5 % 5, run >= 25)
            let width = isTree ? 2 + (steps + 2 * kind) % 3 : 1
            var drafter: any Drafter = eagle
            if let probability = Self.probabilities[kind] {
                drafter = MixingDrafter(
                    probability: probability, continuations: continuations,
                    vocabularySize: source.model.vocabularySize, seed: UInt64(run))
            }
            let part = (0..<count).filter { index in
                index % 5 == (steps + kind) % 5
                    && (!halved || (index / 8 + steps).isMultiple(of: 2) == isTree)
            }
            let batch = 1 + (3 * steps + kind + (isTree ? 4 : 0)) % 8
            let speculation = SpeculationParameters(steps: .fixed(steps), topK: width)
            let outcomes = try await answers(
                part.map { greedy(prompts[$0], tokens: Self.length, speculation: speculation) },
                source.model, drafter: drafter, batch: batch, chunk: run % 3 == 0 ? 7 : 512)
            for (index, outcome) in zip(part, outcomes) {
                #expect(
                    outcome.tokens == plain[index].tokens,
                    "\(name), prompt \(index), \(steps) steps, topk \(width), drafter \(kind)")
                accepted[kind] += outcome.statistics.acceptedAt.reduce(0, +)
                cells.insert([steps, kind, width > 1 ? 1 : 0, prompts[index].count > topK ? 1 : 0])
                met[index].enter(steps: steps, kind: kind, width: width)
            }
            batches.insert(batch)
            runs += part.count
        }
        print("\(name): \(count) prompts, \(runs) answers, drafts accepted of each drafter: \(accepted)")
        #expect(runs == (halved ? 5 : 10) * count && accepted.reduce(0, +) > runs)
        // Always wrong, then right ever more often.
        #expect(accepted[1] == 0 && zip(accepted[1...], accepted[2...]).allSatisfy { $0 < $1 }, "\(accepted)")
        // The MTP layers of the reference's checkpoints are right now and then.
        #expect(accepted[0] > 0 || !["tiny", "shared-odd"].contains(name))
        // Every depth with every drafter, as chain and as tree, behind short prompts and long ones.
        #expect(cells.count == 100)
        #expect(batches == Set(1...8))
        #expect(met.allSatisfy { halved ? $0.isEachOnce : $0.isEachAsBoth })
    }

    /// Whatever automatic steps draft, verify and take back.
    @Test(arguments: ["nano", "tiny", "shared-odd", "nano-fp8"], [nil, 0.5, 0.8, 1] as [Double?])
    func automaticStepsEqualPlainGreedy(name: String, probability: Double?) async throws {
        let source = try SpeculationModel.named(name)
        let prompts = source.prompts(24, salt: 23)
        let plain = try await answers(prompts.map { greedy($0, tokens: 40) }, source.model).map(\.tokens)
        var drafter: any Drafter = try #require(EagleDrafter(source.model))
        if let probability {
            drafter = MixingDrafter(
                probability: probability,
                continuations: Dictionary(zip(prompts, plain), uniquingKeysWith: { first, _ in first }),
                vocabularySize: source.model.vocabularySize, seed: 3)
        }
        // Beside one another, beside other maxima, and beside fixed depths.
        let steps: [SpeculationParameters.Steps] = [
            .automatic(maximum: 5), .automatic(maximum: 3), .fixed(2),
        ]
        for (batch, kinds) in [(1, 1), (3, 1), (4, 3)] {
            let outcomes = try await answers(
                prompts.enumerated().map {
                    let speculation = SpeculationParameters(steps: steps[$0 % kinds])
                    return greedy($1, tokens: 40, speculation: speculation)
                }, source.model, drafter: drafter, batch: batch)
            #expect(outcomes.map(\.tokens) == plain)
            let depths = outcomes.reduce(into: [Int](repeating: 0, count: 5)) { sum, outcome in
                for (place, count) in outcome.statistics.depthCounts.enumerated() { sum[place] += count }
            }
            print("\(name), auto, right with \(probability ?? .nan), batch \(batch): depths \(depths)")
            #expect(depths.contains { $0 > 0 })
        }
    }

    /// What a prompt has met.
    private struct Met {
        var chains: [(steps: Int, kind: Int)] = []
        var trees: [(steps: Int, kind: Int)] = []
        var widths: Set<Int> = []

        mutating func enter(steps: Int, kind: Int, width: Int) {
            if width > 1 { trees.append((steps, kind)) } else { chains.append((steps, kind)) }
            widths.insert(width)
        }

        private static func isComplete(_ runs: [(steps: Int, kind: Int)]) -> Bool {
            Set(runs.map(\.steps)) == Set(1...5) && Set(runs.map(\.kind)) == Set(0..<5)
        }

        var isEachAsBoth: Bool {
            Self.isComplete(chains) && Self.isComplete(trees) && widths == Set(1...4)
        }
        var isEachOnce: Bool { Self.isComplete(chains + trees) && !chains.isEmpty && trees.count >= 2 }
    }

    /// Rounds that accepted 0, 1, … drafts, each guess right by itself: a with probability pᵃ (1 − p), all s with pˢ.
    static func shares(_ probability: Double, steps: Int) -> [Double] {
        (0...steps).map { pow(probability, Double($0)) * ($0 < steps ? 1 - probability : 1) }
    }

    /// Each accepted count comes often enough that the road behind it was walked, and still nothing changes.
    @Test(arguments: [0.5, 0.8], [MixingDrafter.Agreement.independent, .even])
    func everyAcceptedCountOccurs(probability: Double, agreement: MixingDrafter.Agreement) throws {
        let source = try SpeculationModel(.nano)
        let prompts = source.prompts(8, salt: 5)
        let isScarce = agreement == .independent && probability == 0.5
        let expected = prompts.map {
            SpeculativeDecoderTests.plain(source.model, $0, count: isScarce ? 880 : 420).tokens
        }
        let continuations = Dictionary(zip(prompts, expected), uniquingKeysWith: { first, _ in first })
        for steps in 1...5 {
            // Shares of 1/16 are told from 5 % by 3200 rounds.
            let rounds = isScarce && steps == 4 ? 400 : 60
            let all = Double(rounds * prompts.count)
            for topK in [1, 2 + steps % 3] {
                let drafter = MixingDrafter(
                    probability: probability, agreement: agreement, continuations: continuations,
                    vocabularySize: source.model.vocabularySize, seed: UInt64(10 * steps + topK))
                let decoder = SpeculativeDecoder(source.model, drafter: drafter)
                var sequences = prompts.map { decoder.begin($0) }
                var tokens = sequences.map { [$0.root] }
                var histogram = [Int](repeating: 0, count: steps + 1)
                let shape = SpeculationParameters(steps: .fixed(steps), topK: topK).shape
                for _ in 0..<rounds {
                    for (index, round) in decoder.round(shape, &sequences).rounds.enumerated() {
                        histogram[round.accepted] += 1
                        tokens[index] += round.emitted
                    }
                }
                print(
                    "right with \(probability), \(agreement), \(steps) steps, topk \(topK): "
                        + "accepted \(histogram) of \(Int(all)) rounds")
                for (index, answer) in tokens.enumerated() {
                    #expect(answer[...] == expected[index].prefix(answer.count))
                }
                // By themselves five guesses right with 0.5 are four or five in a row in 1/32 = 3.1 % of the rounds
                // each: no drafter that is right so often, guess by guess, reaches 5 % there. `even` does.
                let shares = Self.shares(probability, steps: steps)
                for (count, seen) in histogram.enumerated() {
                    if agreement == .even || shares[count] >= 0.05 {
                        #expect(20 * seen >= Int(all), "\(count) accepted: \(histogram)")
                    }
                    guard agreement == .independent else { continue }
                    // Five standard deviations.
                    let deviation = (all * shares[count] * (1 - shares[count])).squareRoot()
                    #expect(abs(Double(seen) - all * shares[count]) < 5 * deviation, "\(histogram)")
                }
            }
        }
    }

    /// The same on the engine's road: requests that join and leave batches of 1 to 8, on models of two sizes.
    @Test(arguments: [Preset.nano, .small], [0.5, 0.8])
    func everyAcceptedCountOccursInTheEngine(preset: Preset, probability: Double) async throws {
        let source = try SpeculationModel(preset)
        let prompts = source.prompts(8, salt: 5)
        let length = preset == .small ? 120 : 180
        let plain = try await answers(prompts.map { greedy($0, tokens: length) }, source.model).map(\.tokens)
        for steps in 1...5 {
            for topK in [1, 2 + steps % 3] {
                let drafter = MixingDrafter(
                    probability: probability, agreement: .even,
                    continuations: Dictionary(zip(prompts, plain), uniquingKeysWith: { first, _ in first }),
                    vocabularySize: source.model.vocabularySize, seed: UInt64(10 * steps + topK))
                let speculation = SpeculationParameters(steps: .fixed(steps), topK: topK)
                let outcomes = try await answers(
                    prompts.map { greedy($0, tokens: length, speculation: speculation) }, source.model,
                    drafter: drafter, batch: 1 + (3 * steps + topK) % 8)
                #expect(outcomes.map(\.tokens) == plain)
                let counts = outcomes.map(\.statistics).reduce(SpeculationStatistics(), +).acceptedCounts
                let rounds = counts.reduce(0, +)
                print(
                    "\(preset.rawValue), engine, right with \(probability), \(steps) steps, topk \(topK): "
                        + "accepted \(counts) of \(rounds) rounds")
                #expect(rounds > 250 && counts.count == steps + 1)
                #expect(counts.allSatisfy { 20 * $0 >= rounds }, "\(counts)")
            }
        }
    }

    /// Negative control: guesses that are right too seldom, or always, leave counts out, and the histogram shows it.
    @Test(arguments: [0, 0.05, 1]) func otherProbabilitiesLeaveCountsOut(probability: Double) async throws {
        let source = try SpeculationModel(.nano)
        let prompts = source.prompts(8, salt: 5)
        let plain = try await answers(prompts.map { greedy($0, tokens: 100) }, source.model).map(\.tokens)
        let drafter = MixingDrafter(
            probability: probability,
            continuations: Dictionary(zip(prompts, plain), uniquingKeysWith: { first, _ in first }),
            vocabularySize: source.model.vocabularySize, seed: 3)
        let outcomes = try await answers(
            prompts.map { greedy($0, tokens: 100, speculation: SpeculationParameters(steps: .fixed(3))) },
            source.model, drafter: drafter)
        let counts = outcomes.map(\.statistics).reduce(SpeculationStatistics(), +).acceptedCounts
        #expect(counts.contains { 20 * $0 < counts.reduce(0, +) }, "\(counts)")
    }

    /// Sampled answers are those of plain decoding under the same seed, penalties and filters included, and so is
    /// whatever automatic steps choose.
    @Test func sampledAnswersAreThoseOfPlainDecoding() async throws {
        let source = try SpeculationModel(.nano)
        let prompts = source.prompts(16, salt: 21)
        let eagle = try #require(EagleDrafter(source.model))
        func requests(_ speculation: SpeculationParameters?) -> [GenerationRequest] {
            prompts.enumerated().map { number, prompt in
                var sampling = SamplingParameters()
                sampling.temperature = 0.3
                sampling.topP = 0.95
                sampling.minP = 0.01
                sampling.frequencyPenalty = 0.2
                sampling.repetitionPenalty = 1.05
                sampling.logitBias = [TokenBias(token: 9, bias: 0.5)]
                sampling.seed = UInt64(number)
                return GenerationRequest(
                    prompt: prompt, sampling: sampling, endTokens: [], maximumTokens: 30,
                    speculation: speculation)
            }
        }
        let plain = try await answers(requests(nil), source.model).map(\.tokens)
        for speculation in [
            SpeculationParameters(), SpeculationParameters(steps: .fixed(3), topK: 3),
            SpeculationParameters(steps: .automatic(maximum: 5)),
        ] {
            let outcomes = try await answers(requests(speculation), source.model, drafter: eagle, batch: 5)
            #expect(outcomes.map(\.tokens) == plain)
        }
        // Negative control: with a low threshold drafts stand that the sampler would not have drawn.
        let loose = SpeculationParameters(accumulatedThreshold: 0.05)
        #expect(
            try await answers(requests(loose), source.model, drafter: eagle, batch: 5).map(\.tokens) != plain)
    }
}
