/// Why a collective could not be completed. No device goes on after one.
package struct CollectiveFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Reason: Sendable, Equatable {
        /// These ranks had sent nothing when the time was over.
        case late(ranks: [Int], seconds: Double)
        /// A rank ended, or its connection broke.
        case lost(rank: Int, found: String)
        /// A rank is somewhere else, or brings something else.
        case disagreement(rank: Int, found: String, expected: String)
    }

    package let reason: Reason
    /// What the ranks were doing.
    package let collective: Collective
    package let site: CollectiveSite

    package init(_ reason: Reason, _ collective: Collective, at site: CollectiveSite) {
        self.reason = reason
        self.collective = collective
        self.site = site
    }

    /// One line: who, what happened, in which operation of which layer.
    package var description: String {
        let place = "\(collective.rawValue), \(site)"
        switch reason {
        case .late(let ranks, let seconds):
            let names = ranks.map(String.init).joined(separator: ", ")
            return "rank \(names): late by more than \(seconds) s; \(place); see --collective-timeout"
        case .lost(let rank, let found): return "rank \(rank): \(found); \(place)"
        case .disagreement(let rank, let found, let expected):
            return "rank \(rank): found \(found); expected \(expected); \(place)"
        }
    }
}
