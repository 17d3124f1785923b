// Which ids of a synthetic vocabulary stand for what. Knows no text format and no weights.

/// The division of a vocabulary into ordinary tokens, added tokens and unused rows, as in the released
/// family.
///
/// Ordinary ids come first, in the order printable ASCII, joined letters, other bytes. The 36 added tokens of
/// the family keep their released distance of 60 from the end, so that 154,880 rows give the released ids.
/// Source: specification §10.
package struct TokenPlan: Sendable, Equatable {
    /// Rows of the embedding.
    package let vocabularySize: Int
    /// Ids of tokens made of plain ASCII text: synthetic models lead from one of these to another.
    package let plainCount: Int
    /// Ids of all ordinary tokens; the rest up to `firstAdded` is unused.
    package let ordinaryCount: Int
    /// Id of `<|endoftext|>`; the other added tokens follow in the released order.
    package let firstAdded: Int

    /// Added tokens of the family.
    package static let addedCount = 36
    /// Printable ASCII, the space included.
    static let printableCount = 95
    /// Most pairs of letters that get a token of their own.
    static let pairLimit = 702

    /// A plan for `vocabularySize` rows, or nil if they cannot hold 256 bytes and the added tokens.
    package init?(vocabularySize: Int) {
        guard vocabularySize >= 256 + TokenPlan.addedCount else { return nil }
        self.vocabularySize = vocabularySize
        firstAdded = max(256, vocabularySize - 60)
        let pairs = min(TokenPlan.pairLimit, firstAdded - 256)
        plainCount = TokenPlan.printableCount + pairs
        ordinaryCount = 256 + pairs
    }

    /// `<|endoftext|>`, `<|user|>`, `<|observation|>`.
    package var endOfSequence: [Int32] { [0, 7, 9].map { Int32(firstAdded + $0) } }
    /// `<|endoftext|>`.
    package var padding: Int32 { Int32(firstAdded) }
    /// Number of pair tokens.
    package var pairCount: Int { plainCount - TokenPlan.printableCount }

    /// Whether row `id` stands for a token.
    package func isUsed(_ id: Int) -> Bool {
        id < ordinaryCount || (firstAdded..<firstAdded + TokenPlan.addedCount).contains(id)
    }
}
