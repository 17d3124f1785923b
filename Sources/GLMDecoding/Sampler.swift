internal import GLMTensor

/// Turns a row of logits into a token: penalties, bias, temperature, filters, one draw.
///
/// It knows nothing of models and requests. The result is a function of the arguments alone; what the value
/// holds is scratch memory. Source: specification §11.
package struct Sampler: Sendable {
    /// What randomness is used for; each purpose has numbers of its own.
    package enum Purpose: UInt32 {
        /// The draw of the token at a position.
        case token = 0
        /// Whether a drafted token is accepted at a position.
        case acceptance = 1
        /// The draw of a token where all drafted ones were refused.
        case correction = 2
    }

    /// The logits after penalties and bias: `[vocabulary]`.
    private var logits: [Float] = []
    private var ranking = TokenRanking()

    package init() {}

    /// The token that follows.
    ///
    /// The order of the steps: frequency and presence penalty (over generated tokens), a ban of the stop
    /// tokens while fewer than `minimumTokens` were generated, repetition penalty (over prompt and generated
    /// tokens), bias, temperature, then top-k, top-p and min-p together on the list sorted by descending
    /// logit, ties by ascending id.
    ///
    /// - Parameters:
    ///   - row: the model's logits, `[vocabulary]`. NaN counts as −∞. If nothing is left above −∞, the answer
    ///     is token 0.
    ///   - parameters: valid ones; nil for its `seed` counts as 0.
    ///   - history: what was seen before this token.
    ///   - stops: tokens that end the request, banned while too few are generated.
    ///   - position: index of the new token in its sequence, the prompt counted; keys the randomness.
    /// - Precondition: the vocabulary has 1 … 2¹⁹ tokens, and all tokens named lie in it.
    /// - Complexity: linear in the vocabulary; only tokens near a cut are sorted.
    package mutating func sample(
        _ row: ArraySlice<Float>, parameters: SamplingParameters, history: TokenHistory, stops: [Int32],
        position: Int
    ) -> Int32 {
        adjust(row, parameters: parameters, history: history, stops: stops)
        let best = Sampler.largest(of: logits[...])
        if parameters.isGreedy { return Int32(best) }
        let random = CounterRandom(seed: parameters.seed ?? 0, stream: Purpose.token.rawValue)
        return Int32(
            ranking.draw(
                logits, best: best, parameters: parameters, random: random.bits(at: UInt64(position))))
    }

    /// What ``sample(_:parameters:history:stops:position:)`` draws from: a weight for every token, zero where it
    /// cannot be drawn, and their sum.
    package mutating func distribution(
        _ row: ArraySlice<Float>, parameters: SamplingParameters, history: TokenHistory, stops: [Int32]
    ) -> (weights: [UInt64], mass: UInt64) {
        adjust(row, parameters: parameters, history: history, stops: stops)
        let best = Sampler.largest(of: logits[...])
        var parameters = parameters
        if parameters.isGreedy { parameters.topK = 1 }
        return ranking.kept(logits, best: best, parameters: parameters)
    }

    /// Index of the largest element, ties to the lower one; NaN counts as −∞, and 0 is the answer when
    /// nothing is above −∞.
    package static func largest(of row: ArraySlice<Float>) -> Int {
        var best = row.startIndex
        var value = -Float.infinity
        for index in row.indices where row[index] > value {
            (best, value) = (index, row[index])
        }
        return best - row.startIndex
    }

    /// Fills `logits` with the row behind penalties, ban and bias.
    private mutating func adjust(
        _ row: ArraySlice<Float>, parameters: SamplingParameters, history: TokenHistory, stops: [Int32]
    ) {
        precondition((1...(1 << 19)).contains(row.count), "a vocabulary of \(row.count) tokens")
        logits.removeAll(keepingCapacity: true)
        logits.append(contentsOf: row)
        penalise(parameters, history)
        if history.generatedCount < parameters.minimumTokens {
            for token in stops { logits[Int(token)] = -.infinity }
        }
        repress(parameters, history)
        for entry in parameters.logitBias { logits[Int(entry.token)] += entry.bias }
    }

    /// logit − frequency · count − presence · [count > 0], over generated tokens.
    private mutating func penalise(_ parameters: SamplingParameters, _ history: TokenHistory) {
        guard parameters.frequencyPenalty != 0 || parameters.presencePenalty != 0 else { return }
        for (token, count) in history.generated {
            logits[Int(token)] -= parameters.frequencyPenalty * Float(count) + parameters.presencePenalty
        }
    }

    /// logit > 0 ? logit / r : logit · r, over all tokens seen.
    private mutating func repress(_ parameters: SamplingParameters, _ history: TokenHistory) {
        let penalty = parameters.repetitionPenalty
        guard penalty != 1 else { return }
        for token in history.seen {
            let logit = logits[Int(token)]
            logits[Int(token)] = logit > 0 ? logit / penalty : logit * penalty
        }
    }
}
