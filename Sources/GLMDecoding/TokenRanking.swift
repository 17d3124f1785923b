/// The kept head of the list of tokens, sorted by descending logit with ties by ascending id, without sorting
/// it all.
///
/// All three filters keep a prefix of that list, and weights are integers whose sums are exact. So it is
/// enough to spread the tokens over slices of logit, to sort the one slice in which the prefix ends, and the
/// one in which the draw lands.
struct TokenRanking: Sendable {
    private static let sliceCount = 1024
    /// x beyond which no weight is left, see `exponentialWeight`.
    private static let reach = 31.0

    private var weights: [UInt64] = []
    /// Slice of each token; 0 holds the largest logits.
    private var sliceOf: [UInt16] = []
    private var counts: [Int] = []
    private var masses: [UInt64] = []
    /// The smallest weight of each slice.
    private var least: [UInt64] = []

    /// Where the kept prefix ends: all tokens of the slices before `slice`, and the tokens `ranked` of it.
    private struct Prefix {
        var slice: Int
        var ranked: [Int]
        /// Weight of all that is kept.
        var mass: UInt64
    }

    /// Draws one token with probability proportional to its weight among those that top-k, top-p and min-p
    /// keep.
    ///
    /// - Parameters:
    ///   - logits: `[vocabulary]`, at most 2¹⁹ of them, so that the weights' sum fits 64 bits.
    ///   - best: index of the largest logit; it is always kept.
    ///   - random: 64 uniform bits.
    mutating func draw(_ logits: [Float], best: Int, parameters: SamplingParameters, random: UInt64) -> Int {
        // With a single token kept, or none above −∞, there is nothing to draw.
        guard parameters.topK != 1, logits[best] > -.infinity else { return best }
        weigh(logits, best: best, temperature: Double(parameters.temperature))
        let prefix = keep(logits, parameters)
        // ⌊u · mass⌋ for u in [0, 1) with 64 bits: exact, below mass.
        let target = random.multipliedFullWidth(by: prefix.mass).high
        var passed: UInt64 = 0
        for slice in 0..<prefix.slice {
            if passed + masses[slice] > target {
                return pick(target - passed, from: ranked(slice, logits))
            }
            passed += masses[slice]
        }
        return pick(target - passed, from: prefix.ranked)
    }

    /// The weight of every token, zero where a filter drops it, and their sum.
    ///
    /// Parameters as for ``draw(_:best:parameters:random:)``. The best token alone has weight when it is the only
    /// one kept, or nothing is above −∞.
    mutating func kept(
        _ logits: [Float], best: Int, parameters: SamplingParameters
    ) -> (weights: [UInt64], mass: UInt64) {
        guard parameters.topK != 1, logits[best] > -.infinity else {
            var weights = [UInt64](repeating: 0, count: logits.count)
            weights[best] = 1
            return (weights, 1)
        }
        weigh(logits, best: best, temperature: Double(parameters.temperature))
        let prefix = keep(logits, parameters)
        var kept = weights
        let ranked = Set(prefix.ranked)
        for token in kept.indices where Int(sliceOf[token]) >= prefix.slice {
            if !ranked.contains(token) { kept[token] = 0 }
        }
        return (kept, prefix.mass)
    }

    /// Fills weights and slices. A logit of NaN counts as −∞.
    private mutating func weigh(_ logits: [Float], best: Int, temperature: Double) {
        let largest = Double(logits[best])
        let smallest = Double(logits.reduce(.infinity) { $1 > -.infinity ? min($0, $1) : $0 })
        // Slices are spread over the logits that are there: a flat row must not fall into one slice.
        let span = min(TokenRanking.reach, (largest - smallest) / temperature)
        let fineness = span > 0 ? Double(TokenRanking.sliceCount - 2) / span : 0
        if weights.count != logits.count {
            weights = [UInt64](repeating: 0, count: logits.count)
            sliceOf = [UInt16](repeating: 0, count: logits.count)
        }
        TokenRanking.spread(
            logits, largest: largest, temperature: temperature, span: span, fineness: fineness,
            weights: &weights,
            slices: &sliceOf)
        counts = [Int](repeating: 0, count: TokenRanking.sliceCount)
        masses = [UInt64](repeating: 0, count: TokenRanking.sliceCount)
        least = [UInt64](repeating: .max, count: TokenRanking.sliceCount)
        for (weight, slice) in zip(weights, sliceOf) {
            counts[Int(slice)] += 1
            masses[Int(slice)] += weight
            least[Int(slice)] = min(least[Int(slice)], weight)
        }
    }

    /// Weight and slice of each token. Without a branch, so that the loop is vectorised.
    private static func spread(
        _ logits: [Float], largest: Double, temperature: Double, span: Double, fineness: Double,
        weights: inout [UInt64], slices: inout [UInt16]
    ) {
        precondition(weights.count == logits.count && slices.count == logits.count, "\(logits.count) logits")
        for index in 0..<logits.count {
            // x = (logit − max) / temperature; equal infinities are equal, not NaN.
            let logit = Double(logits[index])
            let x = logit == largest ? 0 : (logit - largest) / temperature
            weights[index] = exponentialWeight(x)
            // What lies beyond the span, and NaN, goes to the last slice.
            let place = x >= -span ? -x * fineness : Double(sliceCount - 1)
            slices[index] = UInt16(truncatingIfNeeded: roundedToInteger(place))
        }
    }

    /// Finds the prefix that all filters keep. It holds at least one token.
    private func keep(_ logits: [Float], _ parameters: SamplingParameters) -> Prefix {
        let filter = Filter(parameters, total: masses.reduce(0, +))
        var (count, mass): (Int, UInt64) = (0, 0)
        // A slice without mass holds nothing that could be drawn.
        for slice in 0..<TokenRanking.sliceCount where masses[slice] > 0 {
            guard filter.admits(rank: count, massBefore: mass) else {
                return Prefix(slice: slice, ranked: [], mass: mass)
            }
            if !filter.admitsAll(count + counts[slice], mass: mass + masses[slice], least: least[slice]) {
                let tokens = ranked(slice, logits)
                let kept = filter.prefix(of: tokens.map { weights[$0] }, rank: count, massBefore: mass)
                if kept.count < tokens.count {
                    return Prefix(
                        slice: slice, ranked: Array(tokens.prefix(kept.count)), mass: mass + kept.mass)
                }
            }
            count += counts[slice]
            mass += masses[slice]
        }
        return Prefix(slice: TokenRanking.sliceCount, ranked: [], mass: mass)
    }

    /// The tokens of a slice, sorted by descending logit, ties by ascending id.
    private func ranked(_ slice: Int, _ logits: [Float]) -> [Int] {
        var tokens: [Int] = []
        tokens.reserveCapacity(counts[slice])
        for index in sliceOf.indices where sliceOf[index] == UInt16(slice) { tokens.append(index) }
        tokens.sort { logits[$0] > logits[$1] || logits[$0] == logits[$1] && $0 < $1 }
        return tokens
    }

    /// The token in whose share `target` falls when the shares of `tokens` are laid side by side.
    private func pick(_ target: UInt64, from tokens: [Int]) -> Int {
        var passed: UInt64 = 0
        for token in tokens {
            passed += weights[token]
            if passed > target { return token }
        }
        preconditionFailure("a draw of \(target) in a mass of \(passed)")
    }
}

/// Top-k, top-p and min-p as limits on a token's rank, on the mass before it, and on its weight.
private struct Filter {
    var ranks: Int
    var massBefore: UInt64
    var weight: UInt64

    init(_ parameters: SamplingParameters, total: UInt64) {
        ranks = parameters.topK ?? .max
        massBefore = parameters.topP < 1 ? UInt64(Double(parameters.topP) * Double(total)) : .max
        weight = UInt64((Double(parameters.minP) * 0x1p44).rounded(.up))
    }

    /// Whether a token may still follow after `rank` others of this mass.
    func admits(rank: Int, massBefore mass: UInt64) -> Bool { rank < ranks && mass <= massBefore }

    /// Whether nothing can end before `count` tokens of this mass, the lightest of which weighs `least`.
    func admitsAll(_ count: Int, mass: UInt64, least: UInt64) -> Bool {
        count <= ranks && mass <= massBefore && least >= weight
    }

    /// How many of the tokens, in order, are kept, and their mass.
    func prefix(of weights: [UInt64], rank: Int, massBefore before: UInt64) -> (count: Int, mass: UInt64) {
        var (count, mass): (Int, UInt64) = (0, 0)
        for tokenWeight in weights {
            guard admits(rank: rank + count, massBefore: before + mass), tokenWeight >= weight else { break }
            count += 1
            mass += tokenWeight
        }
        return (count, mass)
    }
}
