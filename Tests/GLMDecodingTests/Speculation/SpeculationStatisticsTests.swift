import GLMDecoding
import Testing

@Suite struct SpeculationStatisticsTests {
    @Test func bothAcceptLengthsAndPositions() {
        var statistics = SpeculationStatistics()
        #expect(statistics.acceptLengthWithExtra == nil)
        #expect(statistics.speedUp == nil)
        for accepted in [3, 0, 1, 2] {
            statistics.addRound(
                drafted: 3, accepted: accepted, emitted: accepted + 1, draftTime: .milliseconds(10),
                verifyTime: .milliseconds(40))
        }
        // A shorter draft near the end of an answer.
        statistics.addRound(
            drafted: 1, accepted: 1, emitted: 2, draftTime: .milliseconds(10), verifyTime: .milliseconds(40))
        #expect(statistics.rounds == 5)
        #expect(statistics.acceptedCounts == [1, 2, 1, 1])
        #expect(statistics.draftedAt == [5, 4, 4])
        #expect(statistics.acceptedAt == [4, 2, 1])
        #expect(statistics.depthCounts == [1, 0, 4])
        #expect(statistics.acceptancePerPosition == [0.8, 0.5, 0.25])
        #expect(statistics.acceptLengthWithExtra == 12.0 / 5)
        #expect(statistics.acceptLengthWithoutExtra == 7.0 / 5)
        #expect(statistics.draftTime == .milliseconds(50))
        statistics.addPlainStep(.milliseconds(30))
        #expect(statistics.speedUp == nil)
        statistics.plainSecondsPerToken = 0.03
        let speedUp = statistics.speedUp ?? 0
        #expect(abs(speedUp - 13 * 0.03 / 0.28) < 1e-12)
    }

    @Test func sums() {
        var first = SpeculationStatistics()
        first.addRound(drafted: 2, accepted: 1, emitted: 2, draftTime: .seconds(1), verifyTime: .seconds(2))
        var second = SpeculationStatistics()
        second.addRound(drafted: 3, accepted: 3, emitted: 4, draftTime: .seconds(1), verifyTime: .seconds(2))
        second.plainSecondsPerToken = 1
        let sum = first + second
        #expect(sum == second + first)
        #expect(sum.acceptedCounts == [0, 1, 0, 1])
        #expect(sum.draftedAt == [2, 2, 1])
        #expect(sum.emittedTokens == 6)
        #expect(sum.plainSecondsPerToken == 1)
        #expect(sum + SpeculationStatistics() == sum)
    }
}
