import GLMModel
import GLMTensor

/// Drafts that are right with a given probability: a control for what the MTP layer does, and a way to walk every
/// road of acceptance with a model whose MTP layer agrees with nothing.
///
/// It is told beforehand how each prompt goes on. Whether the guess at a position is right depends on seed,
/// prompt and position alone.
package struct MixingDrafter: Drafter {
    private let probability: Double
    private let continuations: [[Int32]: [Int32]]
    private let vocabularySize: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - probability: of a right guess, where the continuation is known.
    ///   - continuations: what follows each prompt.
    ///   - vocabularySize: at least 2, so that there is a wrong guess.
    package init(
        probability: Double, continuations: [[Int32]: [Int32]], vocabularySize: Int, seed: UInt64
    ) {
        precondition(vocabularySize >= 2, "a vocabulary of \(vocabularySize) tokens")
        self.probability = probability
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
            var tree = DraftTree()
            var parent: Int?
            for depth in 0..<shape.steps {
                let place = tokens.count + depth
                let truth = isRight && place < promised.count ? promised[place] : nil
                let guesses = guesses(shape.topK, at: place, truth: truth, promise.random)
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

    /// Different tokens, among which is `truth` with the drafter's probability, at any place.
    private func guesses(_ count: Int, at place: Int, truth: Int32?, _ random: CounterRandom) -> [Int32] {
        let bits = random.bits(at: UInt64(place), lane: 1)
        let start = Int(truth ?? Int32(bits % UInt64(vocabularySize)))
        let count = min(count, vocabularySize - 1)
        // Distinct offsets other than 0 from the truth: all wrong.
        let shift = Int(bits >> 32) % (vocabularySize - 1)
        var guesses = (0..<count).map {
            Int32((start + 1 + (shift + $0) % (vocabularySize - 1)) % vocabularySize)
        }
        if let truth, random.uniform(at: UInt64(place)) < probability {
            guesses[Int(bits >> 16 & 0xFFFF) % count] = truth
        }
        return guesses
    }
}
