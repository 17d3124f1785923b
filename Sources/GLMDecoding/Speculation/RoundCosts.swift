/// What is expected of rounds before any was measured; only the ratios count.
package struct RoundCosts: Sendable, Equatable {
    /// Of the trunk's pass over the last token and 0, 1, … drafts of each sequence.
    package let verify: [Double]
    /// Of one pass of the drafter.
    package let draft: Double

    package init(verify: [Double], draft: Double) {
        precondition(verify.count >= 2, "costs of \(verify.count) depths")
        self.verify = verify
        self.draft = draft
    }
}
