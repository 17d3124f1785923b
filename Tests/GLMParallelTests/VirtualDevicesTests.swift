import GLMParallel
import Synchronization
import Testing

@Suite struct VirtualDevicesTests {
    private static let site = CollectiveSite(.attention, layer: 3)

    /// Values whose sum depends on the order: large ones cancel, small ones are lost beside them.
    private static func values(_ rank: Int, _ count: Int) -> [Float] {
        (0..<count).map { Float(($0 * 31 + rank * 17) % 23) * (rank % 2 == 0 ? 1e7 : -0.1) + Float(rank) }
    }

    private static func sum(_ parts: [[Float]]) -> [Float] {
        parts.dropFirst().reduce(parts[0]) { sum, part in zip(sum, part).map { $0 + $1 } }
    }

    @Test(arguments: [1, 2, 3, 8], [0, 1, 7, 5000, 100_000])
    func allReduceAddsInTheOrderOfTheRanks(size: Int, count: Int) throws {
        let results = try Devices.run(size) { (device) throws(CollectiveFailure) in
            try mutating(Self.values(device.rank, count)) { (values) throws(CollectiveFailure) in
                try device.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
            }
        }
        let parts = (0..<size).map { Self.values($0, count) }
        for result in results { #expect(result == Self.sum(parts)) }
        // Negative control: another order would be noticed.
        if size == 8, count == 5000 { #expect(Self.sum(parts) != Self.sum(parts.reversed())) }
    }

    @Test(arguments: [1, 2, 5])
    func partsOfDifferentLengthsAreGathered(size: Int) throws {
        let counts = (0..<size).map { 3 * $0 % 7 }
        let results = try Devices.run(size) { (device) throws(CollectiveFailure) in
            let part = Self.values(device.rank, counts[device.rank])
            return try mutating([Float](repeating: 0, count: counts.reduce(0, +))) {
                (whole) throws(CollectiveFailure) in
                try reading(part) { (part) throws(CollectiveFailure) in
                    try device.allGather(part, counts: counts, into: whole, at: Self.site)
                }
            }
        }
        let expected = (0..<size).flatMap { Self.values($0, counts[$0]) }
        for result in results { #expect(result == expected) }
    }

    /// In pieces, of which two ranks may want the same.
    @Test func sharesOfASumAreScattered() throws {
        let pieces = [[0..<2, 5..<7], [], [2..<5], [0..<2, 5..<7]]
        let results = try Devices.run(4) { (device) throws(CollectiveFailure) in
            let own = pieces[device.rank]
            return try mutating([Float](repeating: 0, count: own.reduce(0) { $0 + $1.count })) {
                (share) throws(CollectiveFailure) in
                try reading(Self.values(device.rank, 7)) { (whole) throws(CollectiveFailure) in
                    try device.reduceScatter(whole, pieces: pieces, into: share, at: Self.site)
                }
            }
        }
        let sum = Self.sum((0..<4).map { Self.values($0, 7) })
        #expect(results == pieces.map { $0.flatMap { Array(sum[$0]) } })
    }

    @Test func partsAreGatheredWhereTheyBelong() throws {
        let places = [[4..<6, 0..<1], [], [1..<4]]
        let results = try Devices.run(3) { (device) throws(CollectiveFailure) in
            let part = Self.values(device.rank, device.rank == 1 ? 0 : 3)
            return try mutating([Float](repeating: 0, count: 6)) { (whole) throws(CollectiveFailure) in
                try reading(part) { (part) throws(CollectiveFailure) in
                    try device.allGather(part, places: places, into: whole, at: Self.site)
                }
            }
        }
        let (first, last) = (Self.values(0, 3), Self.values(2, 3))
        for result in results { #expect(result == [first[2]] + last + first[..<2]) }
    }

    /// Two halves of a group add on their own, as often as they like.
    @Test func halvesMeetWithoutEachOther() throws {
        let results = try Devices.run(4) { (device) throws(CollectiveFailure) in
            let first = device.rank / 2 * 2
            let half = device.subgroup(first..<first + 2)
            var sum = Self.values(device.rank, 5)
            for _ in 0...device.rank / 2 {
                sum = try mutating(sum) { (values) throws(CollectiveFailure) in
                    try half.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
                }
            }
            try device.barrier(at: Self.site)
            return sum
        }
        let halves = [0, 2].map { Self.sum([Self.values($0, 5), Self.values($0 + 1, 5)]) }
        #expect(results[..<2] == [halves[0], halves[0]])
        #expect(results[2...] == [halves[1].map { 2 * $0 }, halves[1].map { 2 * $0 }])
    }

    @Test func aLateRankOfAHalfHasItsOwnNumber() {
        let failures = Devices.failures(4, timeout: .milliseconds(50)) { (device) throws(CollectiveFailure) in
            guard device.rank == 2 else { return }
            try device.subgroup(2..<4).barrier(at: Self.site)
        }
        #expect(failures[2]?.reason == .late(ranks: [3], seconds: 0.05))
    }

    @Test(arguments: [0, 2])
    func allGetTheValuesOfTheRoot(root: Int) throws {
        let results = try Devices.run(4) { (device) throws(CollectiveFailure) in
            try device.barrier(at: Self.site)
            return try mutating(Self.values(device.rank, 9)) { (values) throws(CollectiveFailure) in
                try device.broadcast(values, from: root, at: Self.site)
            }
        }
        for result in results { #expect(result == Self.values(root, 9)) }
    }

    /// Thousands of exchanges one behind the other, without a barrier between them.
    @Test func nobodyOverwritesWhatIsStillRead() throws {
        let results = try Devices.run(8) { (device) throws(CollectiveFailure) in
            var wrong: Float = 0
            for round in 0..<2000 {
                let own = [Float](repeating: Float(round * 8 + device.rank), count: 1 + round % 5)
                let sum = try mutating(own) { (values) throws(CollectiveFailure) in
                    try device.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
                }
                if sum.contains(where: { $0 != Float(8 * 8 * round + 28) }) { wrong += 1 }
            }
            return [wrong]
        }
        #expect(results.allSatisfy { $0 == [0] })
    }

    /// Sums of several strips, which more than one thread makes, one behind the other in the same memory.
    @Test func nobodyOverwritesASumThatIsStillRead() throws {
        let results = try Devices.run(8) { (device) throws(CollectiveFailure) in
            var wrong: Float = 0
            for round in 0..<50 {
                let own = [Float](repeating: Float(round * 8 + device.rank), count: 40_000 + round)
                let sum = try mutating(own) { (values) throws(CollectiveFailure) in
                    try device.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
                }
                if sum.contains(where: { $0 != Float(8 * 8 * round + 28) }) { wrong += 1 }
            }
            return [wrong]
        }
        #expect(results.allSatisfy { $0 == [0] })
    }

    /// Whoever comes when the others add nothing any more must not add alone.
    @Test func aSumWithoutARankFailsForAll() {
        let gaveUp = Flag()
        let failures = Devices.failures(3, timeout: .milliseconds(50)) { (device) throws(CollectiveFailure) in
            if device.rank == 2 { gaveUp.wait() }
            defer { gaveUp.raise() }
            _ = try mutating(Self.values(device.rank, 40_000)) { (values) throws(CollectiveFailure) in
                try device.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
            }
        }
        #expect(failures[0]?.reason == .late(ranks: [2], seconds: 0.05))
        #expect(failures.allSatisfy { $0 == failures[0] })
    }

    @Test func sumsOfDifferentLengthsAreStopped() {
        let failures = Devices.failures(2, timeout: .seconds(60)) { (device) throws(CollectiveFailure) in
            _ = try mutating(Self.values(device.rank, 7 + device.rank)) {
                (values) throws(CollectiveFailure) in
                try device.allReduce(UnsafeBufferPointer(values), into: values, at: Self.site)
            }
        }
        #expect(failures.allSatisfy { $0 != nil && $0 == failures[0] })
    }

    @Test func aLateRankIsNamedToAll() {
        let failures = Devices.failures(4, timeout: .milliseconds(50)) { (device) throws(CollectiveFailure) in
            try device.barrier(at: CollectiveSite(.embedding))
            guard device.rank != 2 else { return }
            try device.barrier(at: Self.site)
        }
        #expect(failures[2] == nil)
        for rank in [0, 1, 3] {
            #expect(
                failures[rank]?.description
                    == "rank 2: late by more than 0.05 s; barrier, attention of layer 3; see --collective-timeout"
            )
        }
    }

    /// A rank that comes after the others gave up must not go on alone.
    @Test func aRankThatComesTooLateIsToldToo() {
        let gaveUp = Flag()
        let failures = Devices.failures(2, timeout: .milliseconds(50)) { (device) throws(CollectiveFailure) in
            if device.rank == 1 { gaveUp.wait() }
            defer { gaveUp.raise() }
            try device.barrier(at: Self.site)
        }
        #expect(failures[0] != nil)
        #expect(failures[0] == failures[1])
    }

    /// Between commands a rank waits for as long as it takes.
    @Test func acommandHasNoDeadline() {
        let arrived = Flag()
        let failures = Devices.failures(2, timeout: .milliseconds(1)) { (device) throws(CollectiveFailure) in
            if device.rank == 0 {
                arrived.wait()
                // The other has been waiting for longer than the deadline when the clock says so.
                let start = ContinuousClock.now
                while start.duration(to: .now) < .milliseconds(20) {}
            }
            arrived.raise()
            try device.barrier(at: CollectiveSite(.command))
        }
        #expect(failures == [nil, nil])
    }

    @Test func ranksThatDoDifferentThingsAreStopped() {
        let failures = Devices.failures(3, timeout: .seconds(60)) { (device) throws(CollectiveFailure) in
            try device.barrier(at: device.rank == 1 ? CollectiveSite(.logits) : Self.site)
        }
        #expect(failures.allSatisfy { $0 != nil && $0 == failures[0] })
        guard case .disagreement = failures[0]?.reason else {
            Issue.record("\(String(describing: failures[0]))")
            return
        }
    }

    @Test func abortEndsAWait() {
        let reason = CollectiveFailure(.lost(rank: 1, found: "gone"), .allReduce, at: Self.site)
        let failures = Devices.failures(2, timeout: .seconds(600)) { (device) throws(CollectiveFailure) in
            if device.rank == 1 { return device.abort(reason) }
            try device.barrier(at: Self.site)
        }
        #expect(failures == [reason, nil])
        #expect(reason.description == "rank 1: gone; allReduce, attention of layer 3")
    }
}

/// Runs one body a device, each on a thread of its own.
enum Devices {
    static func run(
        _ size: Int, _ body: @escaping @Sendable (VirtualDevice) throws(CollectiveFailure) -> [Float]
    ) throws -> [[Float]] {
        let results = Mutex([[Float]](repeating: [], count: size))
        let failures = failures(size, timeout: .seconds(60)) { (device) throws(CollectiveFailure) in
            let result = try body(device)
            results.withLock { $0[device.rank] = result }
        }
        for failure in failures { #expect(failure == nil) }
        return results.withLock { $0 }
    }

    static func failures(
        _ size: Int, timeout: Duration,
        _ body: @escaping @Sendable (VirtualDevice) throws(CollectiveFailure) -> Void
    ) -> [CollectiveFailure?] {
        let group = VirtualDevices(count: size, timeout: timeout)
        let failures = Mutex([CollectiveFailure?](repeating: nil, count: size))
        let ended = (0..<size).map { _ in Flag() }
        for rank in 0..<size {
            startThread {
                do throws(CollectiveFailure) { try body(group.device(rank)) } catch {
                    failures.withLock { $0[rank] = error }
                }
                ended[rank].raise()
            }
        }
        for flag in ended { flag.wait() }
        return failures.withLock { $0 }
    }
}

/// Something that happens once and can be waited for.
final class Flag: Sendable {
    private let condition = Condition()
    private let isRaised = Mutex(false)

    func raise() {
        condition.locked {
            isRaised.withLock { $0 = true }
            condition.wakeAll()
        }
    }

    func wait() {
        condition.locked { while !isRaised.withLock({ $0 }) { _ = condition.wait(until: nil) } }
    }
}

/// `values` after `body` has changed them.
func mutating(
    _ values: [Float], _ body: (UnsafeMutableBufferPointer<Float>) throws(CollectiveFailure) -> Void
) throws(CollectiveFailure) -> [Float] {
    var values = values
    var failure: CollectiveFailure?
    values.withUnsafeMutableBufferPointer { buffer in
        do throws(CollectiveFailure) { try body(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
    return values
}

func reading(
    _ values: [Float], _ body: (UnsafeBufferPointer<Float>) throws(CollectiveFailure) -> Void
) throws(CollectiveFailure) {
    var failure: CollectiveFailure?
    values.withUnsafeBufferPointer { buffer in
        do throws(CollectiveFailure) { try body(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
}
