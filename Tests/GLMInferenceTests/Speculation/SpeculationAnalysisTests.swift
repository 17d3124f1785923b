import GLMDecoding
import GLMEngine
import GLMInference
import GLMModel
import GLMSynthesis
import Testing

/// Which drafts are examined, what they are compared with, and how they are counted by class and position.
@Suite struct SpeculationAnalysisTests {
    static let tokens = 60

    static func analysis(
        _ source: SpeculationModel, noise: Double?, shape: DraftShape = .chain(3)
    ) -> (analysis: SpeculationAnalysis, prompts: [[Int32]]) {
        let prompts = source.prompts(4, salt: 51)
        return (
            SpeculationAnalysis(
                source.model, prompts: prompts,
                plan: SpeculationAnalysis.Plan(shape: shape, tokens: tokens, sampling: .greedy, noise: noise)),
            prompts
        )
    }

    /// A failed draft stands at the place of the model's token that refused it, so that the text before and after it is the
    /// answer's.
    @Test(
        arguments: [nil, 0.3, 1] as [Double?], [DraftShape.chain(3), DraftShape(steps: 3, topK: 2, rows: 7)])
    func guessesStandAtTheirPlaces(noise: Double?, shape: DraftShape) throws {
        let source = try SpeculationModel(.nano)
        let (analysis, prompts) = Self.analysis(source, noise: noise, shape: shape)
        #expect(analysis.isEqual)
        #expect(
            analysis.answers
                == prompts.map { SpeculativeDecoderTests.plain(source.model, $0, count: Self.tokens).tokens })
        for guess in analysis.guesses {
            #expect(guess.actual == analysis.answers[guess.prompt][guess.place])
            #expect((0..<shape.steps).contains(guess.position))
        }
        for prompt in prompts.indices {
            let guesses = analysis.guesses.filter { $0.prompt == prompt }
            // Every place once, except those of the model's own token behind a draft that stood to its end.
            #expect(zip(guesses, guesses.dropFirst()).allSatisfy { $0.place < $1.place })
            #expect(guesses.first?.place == 1)
            for (guess, next) in zip(guesses, guesses.dropFirst()) {
                let isLast = guess.isRight && next.position == 0
                #expect(next.place == guess.place + (isLast ? 2 : 1))
                #expect(next.position == (guess.isRight && !isLast ? guess.position + 1 : 0))
            }
        }
        let failed = analysis.guesses.filter { !$0.isRight }
        guard let noise else { return }
        #expect(failed.count > 10 && (noise < 1) == (failed.count < analysis.guesses.count))
        // Control: one place further the model's token is seldom what refused the draft.
        let shifted = failed.filter { $0.place + 1 < Self.tokens }
            .count { $0.actual == analysis.answers[$0.prompt][$0.place + 1] }
        #expect(shifted < failed.count / 2)
    }

    @Test func noiseOfZeroAndOneAreKnownBeforehand() throws {
        let source = try SpeculationModel(.nano)
        let right = Self.analysis(source, noise: 0).analysis
        #expect(!right.guesses.isEmpty && right.guesses.allSatisfy(\.isRight))
        let wrong = Self.analysis(source, noise: 1).analysis
        #expect(wrong.guesses.allSatisfy { !$0.isRight && $0.position == 0 })
        // The first token is the prompt's; nothing is drafted for the rest of it.
        #expect(wrong.guesses.count == 4 * (Self.tokens - 1))
    }

    @Test func sharesCountByClassAndPosition() throws {
        let (analysis, _) = Self.analysis(try SpeculationModel(.nano), noise: 0.3)
        let texts = ["", " a", "b", "7", "\n", "."]
        func text(_ token: Int32) -> String { texts[Int(token) % texts.count] }
        let shares = analysis.shares(text)
        let kinds: [TokenClass] = [.wordStart, .wordPart, .number, .space, .punctuation, .other]
        #expect(shares.map(\.kind) == kinds.filter { kind in shares.contains { $0.kind == kind } })
        #expect(shares.count > 3)
        for (kind, positions) in shares {
            let own = analysis.guesses.filter { TokenClass(text($0.actual)) == kind }
            #expect(positions.count == 3)
            for (position, share) in positions.enumerated() {
                let there = own.filter { $0.position == position }
                #expect(share.tried == there.count && share.accepted == there.count(where: \.isRight))
            }
        }
        // All classes together are what the rounds counted.
        let accepted = (0..<3).map { position in
            shares.reduce(0) { $0 + $1.positions[position].accepted }
        }
        #expect(accepted == analysis.statistics.acceptedAt && accepted.allSatisfy { $0 > 0 })
        // One class takes everything.
        let single = analysis.shares { _ in "." }
        #expect(single.map(\.kind) == [.punctuation])
        #expect(single[0].positions.map(\.accepted) == accepted)
    }

    @Test(
        arguments: [
            (" the", .wordStart), ("\nabc", .wordStart), (" x1", .wordStart), (" l'", .wordStart),
            ("Hello", .wordPart), ("ing", .wordPart), ("3rd", .wordPart), ("é", .wordPart), ("日本", .wordPart),
            ("12", .number), (" 7", .number), ("3.5", .number), ("½", .number), ("٣", .number),
            (" ", .space), ("\n\n", .space), ("\t", .space), ("\u{A0}", .space),
            (".", .punctuation), (" ->", .punctuation), ("\")\n", .punctuation),
            ("", .other), ("…", .other), (" €", .other), ("\u{FFFD}", .other), ("a\u{FFFD}", .other),
        ] as [(String, TokenClass)])
    func aTokenHasOneClass(text: String, kind: TokenClass) { #expect(TokenClass(text) == kind) }
}
