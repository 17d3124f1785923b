package import GLMTensor

/// Decides which drafted tokens stand: walks a draft from its root along the trunk's rows, one token a position.
///
/// Two rules. *Exact*: the sampler draws every token as it would without a draft, and the walk goes on while the
/// draw is among the drafted children. A child d stands with probability p(d), as in rejection sampling with a
/// deterministic draft, and the tokens are those of plain decoding under the same seed: penalties, filters and
/// bias included. *Thresholds*: specification §8.3 and §8.4 as SGLang has them, which accept more and follow the
/// model's distribution less.
///
/// It knows no model. Coins belong to (seed, position), so neighbours in a batch change nothing.
package struct Verifier: Sendable {
    /// When a drafted token stands.
    package enum Rule: Sendable, Equatable {
        /// When the sampler draws it.
        case exact
        /// When the coin is at most the mass of the siblings tried so far over `accumulated`, or the token's own
        /// probability is at least `single`.
        case thresholds(single: Double, accumulated: Double)

        /// The rule for two thresholds in [0, 1]: at 1 and 1 the exact one, which follows the same distribution.
        package init(single: Double, accumulated: Double) {
            self =
                single >= 1 && accumulated >= 1
                ? .exact : .thresholds(single: single, accumulated: accumulated)
        }
    }

    /// What a request wants of its tokens.
    package struct Wishes: Sendable {
        package var parameters: SamplingParameters
        /// Tokens that end the request, banned while too few are generated.
        package var stops: [Int32]
        package var rule: Rule

        package init(parameters: SamplingParameters, stops: [Int32], rule: Rule) {
            self.parameters = parameters
            self.stops = stops
            self.rule = rule
        }
    }

    /// `thresholdAcc` of SGLang is not taken below it.
    private static let smallestThreshold = 1e-9

    private var sampler = Sampler()

    package init() {}

    /// Walks a draft from the root while it stands.
    ///
    /// - Parameters:
    ///   - logits: the trunk's rows; those of the root and the tokens of `tree` begin at row `first`.
    ///   - next: chooses the token behind a row, given what was drafted there, and says whether the sequence goes on.
    /// - Returns: the drafted tokens that stand, from the root on. The last token chosen is not among them, unless
    ///   the sequence ended with it.
    package static func walk(
        _ tree: DraftTree, logits: Tensor, first: Int,
        next: (ArraySlice<Float>, [Int32]) -> (token: Int32, goesOn: Bool)
    ) -> [Int] {
        var path: [Int] = []
        var row = first
        while true {
            let children = tree.children(of: path.last)
            let choice = next(logits.row(row), children.map { tree.tokens[$0] })
            guard let child = children.first(where: { tree.tokens[$0] == choice.token }) else { return path }
            path.append(child)
            guard choice.goesOn else { return path }
            row = first + 1 + child
        }
    }

    /// The token at one position.
    ///
    /// - Parameters:
    ///   - row: the trunk's logits, `[vocabulary]`.
    ///   - drafted: different tokens that were drafted for this position, in the order they are tried.
    ///   - position: index of the new token in its sequence, the prompt counted; keys the coins.
    package mutating func choose(
        _ row: ArraySlice<Float>, drafted: [Int32], wishes: Wishes, history: TokenHistory, position: Int
    ) -> Int32 {
        guard case .thresholds(let single, let accumulated) = wishes.rule, !drafted.isEmpty else {
            return sampler.sample(
                row, parameters: wishes.parameters, history: history, stops: wishes.stops, position: position)
        }
        var (weights, mass) = sampler.distribution(
            row, parameters: wishes.parameters, history: history, stops: wishes.stops)
        let coin = Coin(wishes.parameters, .acceptance, position).aboveZero
        let total = Double(mass)
        var tried = 0.0
        for token in drafted {
            let probability = Double(weights[Int(token)]) / total
            tried += probability
            let bar = tried / max(accumulated, Verifier.smallestThreshold)
            if coin <= bar || probability >= single { return token }
        }
        for token in drafted {
            mass -= weights[Int(token)]
            weights[Int(token)] = 0
        }
        return Verifier.draw(weights, mass, Coin(wishes.parameters, .correction, position).bits)
    }

    /// The token in whose share ⌊bits · mass⌋ falls.
    private static func draw(_ weights: [UInt64], _ mass: UInt64, _ bits: UInt64) -> Int32 {
        let target = bits.multipliedFullWidth(by: mass).high
        var passed: UInt64 = 0
        for (token, weight) in weights.enumerated() {
            passed += weight
            if passed > target { return Int32(token) }
        }
        preconditionFailure("a draw of \(target) in a mass of \(passed)")
    }
}

/// The random bits of one position.
private struct Coin {
    let bits: UInt64

    init(_ parameters: SamplingParameters, _ purpose: Sampler.Purpose, _ position: Int) {
        bits = CounterRandom(seed: parameters.seed ?? 0, stream: purpose.rawValue).bits(at: UInt64(position))
    }

    /// A number in (0, 1], so that what has probability 0 never stands and what has probability 1 always does.
    var aboveZero: Double { Double(bits >> 11 + 1) * 0x1p-53 }
}
