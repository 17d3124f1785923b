package import GLMDecoding
package import GLMModel

/// Runs prompts with and without speculation and keeps where drafts stood and where they failed.
package struct SpeculationAnalysis: Sendable {
    /// What is run.
    package struct Plan: Sendable {
        package var shape: DraftShape
        /// Tokens of each answer.
        package var tokens: Int
        package var sampling: SamplingParameters
        /// Probability that a draft is wrong where it replaces the MTP layer's; nil drafts with the layer.
        package var noise: Double?

        package init(shape: DraftShape, tokens: Int, sampling: SamplingParameters, noise: Double?) {
            self.shape = shape
            self.tokens = tokens
            self.sampling = sampling
            self.noise = noise
        }
    }

    /// A drafted position that was examined: all before it in its round had been accepted.
    package struct Guess: Sendable {
        /// Which prompt.
        package let prompt: Int
        /// The token's place in the answer.
        package let place: Int
        /// Depth in the round's draft, from 0.
        package let position: Int
        /// What was drafted: the first sibling, or the one that stood.
        package let drafted: Int32
        /// What the model says.
        package let actual: Int32

        package var isRight: Bool { drafted == actual }
    }

    /// The answers without speculation.
    package private(set) var answers: [[Int32]] = []
    package private(set) var guesses: [Guess] = []
    package private(set) var statistics = SpeculationStatistics()
    /// Whether every answer was the same with and without.
    package private(set) var isEqual = true
    /// Time of decoding without speculation; the prompts and the first tokens are not in it.
    package private(set) var plainTime = Duration.zero
    package private(set) var plainTokens = 0

    /// Runs everything; blocks. Prompts are run one after the other, plainly and then with drafts.
    ///
    /// - Parameter finished: called with the number of prompts that are done.
    /// - Precondition: the model has an MTP layer, or `plan.noise` is given; every prompt fits with its answer.
    package init(
        _ model: LanguageModel, prompts: [[Int32]], plan: Plan, finished: (Int) -> Void = { _ in }
    ) {
        let wishes = Verifier.Wishes(parameters: plan.sampling, stops: [], rule: .exact)
        for (number, prompt) in prompts.enumerated() {
            let answer = plain(model, prompt, plan, wishes)
            answers.append(answer)
            let noisy = plan.noise.map { noise in
                SpeculativeDecoder(
                    model,
                    drafter: MixingDrafter(
                        probability: 1 - noise, continuations: [prompt: answer],
                        vocabularySize: model.configuration.vocabularySize, seed: UInt64(number)))
            }
            guard let decoder = noisy ?? SpeculativeDecoder(model) else {
                preconditionFailure("a model without an MTP layer and no drafts to replace it")
            }
            speculate(decoder, prompt, number, answer, plan, wishes)
            finished(number + 1)
        }
    }

    /// The plain answer, its decoding timed.
    private mutating func plain(
        _ model: LanguageModel, _ prompt: [Int32], _ plan: Plan, _ wishes: Verifier.Wishes
    ) -> [Int32] {
        let nothing = MixingDrafter(
            probability: 0, continuations: [:], vocabularySize: model.configuration.vocabularySize, seed: 0)
        let decoder = SpeculativeDecoder(model, drafter: nothing)
        var sequences = [decoder.begin(prompt, wishes: wishes)]
        var tokens = [sequences[0].root]
        while tokens.count < plan.tokens {
            let outcome = decoder.round(.chain(0), &sequences)
            tokens += outcome.rounds[0].emitted
            plainTime += outcome.verifyTime
            plainTokens += 1
        }
        return tokens
    }

    private mutating func speculate(
        _ decoder: SpeculativeDecoder, _ prompt: [Int32], _ number: Int, _ answer: [Int32], _ plan: Plan,
        _ wishes: Verifier.Wishes
    ) {
        var sequences = [decoder.begin(prompt, wishes: wishes)]
        var tokens = [sequences[0].root]
        while tokens.count < plan.tokens {
            let room = decoder.model.contextSize - sequences[0].cache.length
            let shape = plan.shape.limited(depth: plan.tokens - tokens.count, rows: room)
            let outcome = decoder.round(shape, &sequences)
            let round = outcome.rounds[0]
            if round.draft.depth > 0 {
                statistics.addRound(
                    drafted: round.draft.depth, accepted: round.accepted, emitted: round.emitted.count,
                    draftTime: outcome.draftTime, verifyTime: outcome.verifyTime)
            }
            enter(round, prompt: number, place: tokens.count)
            tokens += round.emitted
        }
        isEqual = isEqual && tokens.prefix(answer.count) == answer[...]
    }

    /// The accepted positions of a round, and the one that failed.
    private mutating func enter(_ round: SpeculativeDecoder.Round, prompt: Int, place: Int) {
        for (position, node) in round.path.enumerated() {
            let token = round.draft.tokens[node]
            guesses.append(
                Guess(
                    prompt: prompt, place: place + position, position: position, drafted: token, actual: token
                ))
        }
        guard let failed = round.draft.children(of: round.path.last).first, let actual = round.emitted.last
        else { return }
        guesses.append(
            Guess(
                prompt: prompt, place: place + round.accepted, position: round.accepted,
                drafted: round.draft.tokens[failed], actual: actual))
    }
}

extension SpeculationAnalysis {
    /// Drafts of one kind: how many were examined and how many stood.
    package struct Share: Sendable, Equatable {
        package var tried = 0
        package var accepted = 0

        package init() {}
    }

    /// Shares by class of the model's token, then by position; classes that never occurred are left out.
    ///
    /// A position is examined when all before it stood, so these shares are conditional.
    package func shares(_ text: (Int32) -> String) -> [(kind: TokenClass, positions: [Share])] {
        let depth = (guesses.map(\.position).max() ?? -1) + 1
        var table: [TokenClass: [Share]] = [:]
        for guess in guesses {
            var row = table[TokenClass(text(guess.actual))] ?? [Share](repeating: Share(), count: depth)
            row[guess.position].tried += 1
            row[guess.position].accepted += guess.isRight ? 1 : 0
            table[TokenClass(text(guess.actual))] = row
        }
        return TokenClass.allCases.compactMap { kind in table[kind].map { (kind, $0) } }
    }
}
