// Which ids of a synthetic vocabulary stand for what. Knows no text format and no weights.

/// The division of a vocabulary into ordinary tokens, added tokens and unused rows, as in the released family.
///
/// Ordinary ids come first: printable ASCII, joined letters, other bytes. The 36 added tokens follow without a gap,
/// since `tokenizers` would number them so whatever the file says; 24 unused rows end the vocabulary, so that 154,880
/// rows give the released ids.
/// Source: specification §10.
package struct TokenPlan: Sendable, Equatable {
    /// Rows of the embedding.
    package let vocabularySize: Int
    /// Tokens made by merges: the 702 pairs of a space or letter and a letter, then pairs of pairs.
    package let mergeCount: Int

    /// Added tokens of the family.
    package static let addedCount = 36
    /// Printable ASCII, the space included.
    static let printableCount = 95
    /// Pairs of a space or letter and a letter.
    static let pairLimit = 27 * 26
    /// Pairs and pairs of pairs, the second without a space.
    static let mergeLimit = pairLimit + pairLimit * 26 * 26

    /// A plan for `vocabularySize` rows, or nil if they cannot hold 256 bytes and the added tokens.
    package init?(vocabularySize: Int) {
        guard vocabularySize >= 256 + TokenPlan.addedCount else { return nil }
        self.vocabularySize = vocabularySize
        mergeCount = min(max(0, vocabularySize - 60 - 256), TokenPlan.mergeLimit)
    }

    /// Ids of tokens made of plain ASCII text come first: synthetic models lead from one of these to another.
    package var plainCount: Int { TokenPlan.printableCount + mergeCount }
    /// Id of `<|endoftext|>`, one more than the last ordinary id; the other added tokens follow in the released order.
    package var firstAdded: Int { 256 + mergeCount }
    /// Ids that stand for a token.
    package var usedCount: Int { firstAdded + TokenPlan.addedCount }
    /// `<|endoftext|>`, `<|user|>`, `<|observation|>`.
    package var endOfSequence: [Int32] { [0, 7, 9].map { Int32(firstAdded + $0) } }
    /// `<|endoftext|>`.
    package var padding: Int32 { Int32(firstAdded) }
}
