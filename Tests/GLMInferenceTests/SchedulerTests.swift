import GLMEngine
import GLMTensor
import Testing

@Test func aPromptIsFedInChunksAndThenTokenByToken() {
    var scheduler = Scheduler(options: .init(prefillChunk: 4))
    scheduler.submit(0, prompt: Array(1...10))
    #expect(scheduler.plan() == [.init(sequence: 0, tokens: [1, 2, 3, 4], isComplete: false)])
    #expect(scheduler.plan() == [.init(sequence: 0, tokens: [5, 6, 7, 8], isComplete: false)])
    #expect(scheduler.plan() == [.init(sequence: 0, tokens: [9, 10], isComplete: true)])
    #expect(scheduler.plan().isEmpty)
    scheduler.commit(11, to: 0)
    #expect(scheduler.plan() == [.init(sequence: 0, tokens: [11], isComplete: true, isDecoding: true)])
}

@Test func sequencesShareTheChunkInOrderOfArrivalAndDecodingIsNeverHeldUp() {
    var scheduler = Scheduler(options: .init(prefillChunk: 4))
    scheduler.submit(0, prompt: [1])
    _ = scheduler.plan()
    scheduler.commit(2, to: 0)
    scheduler.submit(1, prompt: [5, 6, 7])
    scheduler.submit(2, prompt: [8, 9])
    #expect(
        scheduler.plan() == [
            .init(sequence: 0, tokens: [2], isComplete: true, isDecoding: true),
            .init(sequence: 1, tokens: [5, 6, 7], isComplete: true),
            .init(sequence: 2, tokens: [8], isComplete: false),
        ])
}

@Test func noMoreSequencesRunThanAllowed() {
    var scheduler = Scheduler(options: .init(maximumSequences: 2))
    for id in 0..<4 { scheduler.submit(id, prompt: [1]) }
    #expect(scheduler.plan().map(\.sequence) == [0, 1])
    scheduler.remove(0)
    scheduler.remove(2)
    scheduler.remove(77)
    #expect(scheduler.sequences == [1, 3])
    #expect(scheduler.plan().map(\.sequence) == [3])
}

/// Random arrivals and departures: each sequence is fed its own tokens, each once, in order.
@Test(arguments: 0..<20) func everyTokenIsFedOnceInOrder(seed: UInt64) {
    let random = CounterRandom(seed: seed, stream: 0)
    var scheduler = Scheduler(
        options: .init(prefillChunk: 1 + Int(seed % 7), maximumSequences: 1 + Int(seed % 4)))
    var expected: [[Int32]] = []
    var fed: [[Int32]] = []
    for step in 0..<60 {
        if random.uniform(at: UInt64(step)) < 0.3 {
            let length = 1 + Int(random.uniform(at: UInt64(step), lane: 1) * 20)
            let prompt = (0..<length).map { Int32(1000 * expected.count + $0) }
            scheduler.submit(expected.count, prompt: prompt)
            expected.append(prompt)
            fed.append([])
        }
        for share in scheduler.plan() {
            fed[share.sequence] += share.tokens
            #expect(share.isComplete == (fed[share.sequence] == expected[share.sequence]))
            guard share.isComplete else { continue }
            if random.uniform(at: UInt64(step), lane: 2) < 0.2 {
                scheduler.remove(share.sequence)
            } else {
                let next = Int32(1000 * share.sequence + expected[share.sequence].count)
                expected[share.sequence].append(next)
                scheduler.commit(next, to: share.sequence)
            }
        }
        for (got, want) in zip(fed, expected) { #expect(want.starts(with: got)) }
    }
}
