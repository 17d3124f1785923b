/// The outcome of comparing every quantity of a golden file.
public struct GoldenReport: Sendable {
    /// One compared quantity.
    public struct Row: Sendable {
        /// What came of the comparison; `notCovered` where there was nothing to compare with.
        public enum Outcome: String, Sendable { case pass, fail, notCovered = "not covered" }
        /// Name in the golden file.
        public let quantity: String
        /// Whether it agreed.
        public let outcome: Outcome
        /// Largest absolute difference; for integers and sets, the number of elements that differ.
        public let largestError: Double?
        /// The largest error that passes; nil where equality is asked for.
        public let tolerance: Double?
        /// Where the largest error is, or why nothing was compared.
        public let detail: String
    }

    /// One entry a quantity, in the order of their names.
    public let rows: [Row]

    /// Quantities that differ by more than they may.
    public var failures: Int { rows.count { $0.outcome == .fail } }
    /// Quantities of the file that this version computes nothing for.
    public var notCovered: Int { rows.count { $0.outcome == .notCovered } }
    /// Whether nothing differed; quantities that are not covered do not count.
    public var passed: Bool { failures == 0 }
}
