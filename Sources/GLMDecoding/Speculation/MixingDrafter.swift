import GLMModel
import GLMTensor

/// Drafts that are right with a given probability: a control for what the MTP layer does, and a way to walk every
/// road of acceptance with a model whose MTP layer agrees with nothing.
///
/// It is told beforehand how each prompt goes on. Whether the guess at a position is right depends on seed,
/// prompt and position alone, and with `Agreement.even` on the position where the round began.
package struct MixingDrafter: Drafter {
    /// How the right guesses of a round hang together.
    package enum Agreement: Sendable {
        /// Every guess by itself: s of them are right with probability pˢ, seldom where s is large.
        case independent
        /// The first guess is right with probability p; how many are, then, is 1 to s, each as often: every accepted
        /// count occurs in a good part of the rounds.
        case even
    }

    private let probability: Double
    private let agreement: Agreement
    private let continuations: [[Int32]: [Int32]]
    private let vocabularySize: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - probability: of a right guess (`even`: of a right first guess), where the continuation is known.
    ///   - continuations: what follows each prompt.
    ///   - vocabularySize: at least 2, so that there is a wrong guess.
    package init(
        probability: Double, agreement: Agreement = .independent, continuations: [[Int32]: [Int32]],
        vocabularySize: Int, seed: UInt64
    ) {
        precondition(vocabularySize >= 2, "a vocabulary of \(vocabularySize) tokens")
        self.probability = probability
        self.agreement = agreement
        self.continuations = continuations
        self.vocabularySize = vocabularySize
        self.seed = seed
    }

    package func makeState(prompt: [Int32]) -> DraftState {
        // Each prompt has coins of its own.
        let key = prompt.reduce(seed) { ($0 ^ UInt64(UInt32(bitPattern: $1))) &* 0x100_0000_01b3 }
        return DraftState(
            cache: nil, tokens: prompt,
            promise: DraftState.Promise(
                tokens: prompt + (continuations[prompt] ?? []),
                random: CounterRandom(seed: key, stream: 0x6d697865)))  // "mixe"
    }

    package func absorb(_ states: inout [DraftState]) {}

    /// At each depth one node has children: the one that may be right, else the first.
    package func draft(_ shapes: [DraftShape], _ states: inout [DraftState]) -> [DraftTree] {
        zip(shapes, states).map { shape, state in
            guard let tokens = state.tokens, let promise = state.promise else { return DraftTree() }
            let promised = promise.tokens
            var isRight = promised.starts(with: tokens)
            let steps = shape.policy?.depth(upTo: shape.steps) ?? shape.steps
            let right = rightGuesses(steps, from: tokens.count, promise.random)
            var tree = DraftTree()
            var parent: Int?
            for depth in 0..<steps {
                let place = tokens.count + depth
                let truth = isRight && place < promised.count ? promised[place] : nil
                let hits =
                    right.map { depth < $0 } ?? (promise.random.uniform(at: UInt64(place)) < probability)
                let guesses = guesses(shape.topK, at: place, truth: truth, hits: hits, promise.random)
                let first = tree.tokens.count
                for guess in guesses where tree.tokens.count < shape.rows - 1 {
                    tree.append(guess, parent: parent)
                }
                guard tree.tokens.count > first else { break }
                let hit = (first..<tree.tokens.count).first { tree.tokens[$0] == truth }
                isRight = hit != nil
                parent = hit ?? first
            }
            return tree
        }
    }

    /// How many guesses of a round are right; nil where each is decided by itself.
    private func rightGuesses(_ steps: Int, from place: Int, _ random: CounterRandom) -> Int? {
        guard agreement == .even, steps > 0 else { return nil }
        guard random.uniform(at: UInt64(place), lane: 2) < probability else { return 0 }
        return 1 + Int(random.uniform(at: UInt64(place), lane: 3) * Double(steps))
    }

    /// Different tokens, among which is `truth`, if it is to be hit, at any place.
    private func guesses(
        _ count: Int, at place: Int, truth: Int32?, hits: Bool, _ random: CounterRandom
    ) -> [Int32] {
        let bits = random.bits(at: UInt64(place), lane: 1)
        let start = Int(truth ?? Int32(bits % UInt64(vocabularySize)))
        let count = min(count, vocabularySize - 1)
        // Distinct offsets other than 0 from the truth: all wrong.
        let shift = Int(bits >> 32) % (vocabularySize - 1)
        var guesses = (0..<count).map {
            Int32((start + 1 + (shift + $0) % (vocabularySize - 1)) % vocabularySize)
        }
        if hits, let truth {
            guesses[Int(bits >> 16 & 0xFFFF) % count] = truth
        }
        return guesses
    }
}
