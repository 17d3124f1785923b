/// How well drafts were guessed and what they cost.
///
/// Two *accept lengths* are in use: with the trunk's own token, which a round emits in any case (SGLang's), and
/// drafted tokens alone.
public struct SpeculationStatistics: Sendable, Equatable {
    /// Rounds that accepted 0, 1, 2, … drafted tokens.
    public private(set) var acceptedCounts: [Int] = []
    /// Rounds that verified as deep as the first, second, … position.
    public private(set) var draftedAt: [Int] = []
    /// Rounds that accepted the drafted token at the first, second, … position.
    public private(set) var acceptedAt: [Int] = []
    /// Tokens that the rounds emitted.
    public private(set) var emittedTokens = 0
    /// Time in the drafter.
    public private(set) var draftTime = Duration.zero
    /// Rounds' time in the trunk, and with accepting.
    public private(set) var verifyTime = Duration.zero
    /// Steps between the rounds that verified nothing, one token each.
    public private(set) var plainSteps = 0
    /// Their time.
    public private(set) var plainTime = Duration.zero
    /// Seconds of a plain step, as the engine has measured it; nil when it has not.
    public package(set) var plainSecondsPerToken: Double?

    /// Nothing yet.
    public init() {}

    /// Rounds that verified anything.
    public var rounds: Int { acceptedCounts.reduce(0, +) }

    /// Drafted tokens accepted a round.
    public var acceptLengthWithoutExtra: Double? {
        ratio(acceptedCounts.enumerated().reduce(0) { $0 + $1.offset * $1.element }, rounds)
    }

    /// Tokens emitted a round: accepted ones and the trunk's own.
    public var acceptLengthWithExtra: Double? { ratio(emittedTokens, rounds) }

    /// For each draft position, how many of the rounds that drafted it accepted it.
    public var acceptancePerPosition: [Double] {
        zip(acceptedAt, draftedAt).map { Double($0) / Double(max(1, $1)) }
    }

    /// Rounds that verified 1, 2, … tokens deep.
    public var depthCounts: [Int] {
        draftedAt.indices.map { draftedAt[$0] - ($0 + 1 < draftedAt.count ? draftedAt[$0 + 1] : 0) }
    }

    /// How many times faster than plain decoding: the time all tokens would have taken at the measured plain time a
    /// token, over the time taken. nil when no plain step was measured.
    public var speedUp: Double? {
        let seconds = (draftTime + verifyTime + plainTime) / .seconds(1)
        guard let plain = plainSecondsPerToken, seconds > 0 else { return nil }
        return Double(emittedTokens + plainSteps) * plain / seconds
    }

    /// Enters a round.
    ///
    /// - Parameters:
    ///   - drafted: depth of the draft, at least 1.
    ///   - accepted: drafted tokens that became output.
    ///   - emitted: tokens that became output.
    package mutating func addRound(
        drafted: Int, accepted: Int, emitted: Int, draftTime: Duration, verifyTime: Duration
    ) {
        precondition(accepted <= drafted && drafted >= 1, "\(accepted) accepted of \(drafted)")
        grow(to: drafted)
        acceptedCounts[accepted] += 1
        for position in 0..<drafted { draftedAt[position] += 1 }
        for position in 0..<accepted { acceptedAt[position] += 1 }
        emittedTokens += emitted
        self.draftTime += draftTime
        self.verifyTime += verifyTime
    }

    /// Enters a plain step.
    /// - Parameter draftTime: of drafts before it that were not worth verifying.
    package mutating func addPlainStep(_ time: Duration, draftTime: Duration = .zero) {
        plainSteps += 1
        plainTime += time
        self.draftTime += draftTime
    }

    /// The statistics of both.
    public static func + (left: SpeculationStatistics, right: SpeculationStatistics) -> SpeculationStatistics
    {
        var sum = left
        sum.grow(to: right.draftedAt.count)
        for (index, count) in right.acceptedCounts.enumerated() { sum.acceptedCounts[index] += count }
        for (index, count) in right.draftedAt.enumerated() { sum.draftedAt[index] += count }
        for (index, count) in right.acceptedAt.enumerated() { sum.acceptedAt[index] += count }
        sum.emittedTokens += right.emittedTokens
        sum.draftTime += right.draftTime
        sum.verifyTime += right.verifyTime
        sum.plainSteps += right.plainSteps
        sum.plainTime += right.plainTime
        sum.plainSecondsPerToken = left.plainSecondsPerToken ?? right.plainSecondsPerToken
        return sum
    }

    private mutating func grow(to depth: Int) {
        guard depth > draftedAt.count || acceptedCounts.isEmpty else { return }
        acceptedCounts += [Int](repeating: 0, count: depth + 1 - acceptedCounts.count)
        draftedAt += [Int](repeating: 0, count: depth - draftedAt.count)
        acceptedAt += [Int](repeating: 0, count: depth - acceptedAt.count)
    }

    private func ratio(_ count: Int, _ whole: Int) -> Double? {
        whole > 0 ? Double(count) / Double(whole) : nil
    }
}
