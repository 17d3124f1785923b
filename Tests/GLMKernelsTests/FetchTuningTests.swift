import GLMKernels
import Testing

/// The way that is clearly fastest is taken, in the median, so that turns that were disturbed do not decide; else the usual one
/// stays, whichever that is.
@Test(arguments: FetchWay.allCases)
func theUsualWayStaysUnlessAnotherIsClearlyFaster(usual: FetchWay) {
    func choice(_ costs: (FetchWay) -> [Double]) -> FetchWay {
        FetchTuning.choice(of: FetchWay.allCases.map(costs), usual: usual)
    }
    for better in FetchWay.allCases {
        #expect(choice { $0 == better ? [0.9, 0.9, 9] : [1, 1, 1] } == better)
        #expect(choice { $0 == better ? [0.98, 0.98, 0.1] : [1, 1, 1] } == usual)
        // Of two that are faster the fastest.
        #expect(choice { $0 == better ? [0.7, 0.7] : $0 == usual ? [1, 1] : [0.8, 0.8] } == better)
    }
}

/// Matrices of 4 MB and a short rest, three for each round, in memory that ends with the last element.
private func matrices(_ format: WeightView.Format, _ bytes: GuardedBytes, count: Int) -> [FetchTuning.Matrix]
{
    [FetchTuning.Matrix](
        repeating: FetchTuning.Matrix(format, base: bytes.base, rows: 1051, columns: 4000 / format.size),
        count: count)
}

/// Matrices that a cache would hold say nothing of memory: rounds of turns of one kind must come together. A pool of one thread
/// and of two, rows in whole lines and not, codes in several stretches of rows and in less than one, reading nothing behind the last.
@Test(arguments: levels, WeightView.Format.allCases)
func aSampleOfAllWeightsIsTried(level: InstructionSet, format: WeightView.Format) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let kernels = Kernels.table(level)
    for threads in 1...2 {
        let tuning = try #require(FetchTuning(matrices(format, bytes, count: 54), for: kernels))
        // Whichever it is: the memory's guard is the test.
        _ = tuning.fastest(kernels, ThreadPool(threads: threads))
        let narrow = FetchTuning.Matrix(format, base: bytes.base, rows: 4204, columns: 1000 / format.size)
        let other = try #require(
            FetchTuning([FetchTuning.Matrix](repeating: narrow, count: 54), for: kernels))
        _ = other.fastest(kernels, ThreadPool(threads: threads))
    }
    #expect(FetchTuning(matrices(format, bytes, count: 53), for: kernels) == nil)
    #expect(FetchTuning([], for: kernels) == nil)
}

/// Of each kind half: none has enough alone, and together they have, but codes and other weights, which are tried by themselves.
@Test(arguments: [(WeightView.Format.float32, WeightView.Format.bfloat16), (.float8E4M3, .bfloat16)])
func kindsThatAreAskedForAlikeAreTriedTogether(format: WeightView.Format, other: WeightView.Format) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let kernels = Kernels.table(.baseline)
    let both = matrices(format, bytes, count: 27) + matrices(other, bytes, count: 27)
    #expect((FetchTuning(both, for: kernels) != nil) == (format == .float32))
    // Turns of two kinds are no round.
    let odd = matrices(format, bytes, count: 28) + matrices(other, bytes, count: 26)
    #expect(FetchTuning(odd, for: kernels) == nil)
}

/// What is too little of to be tried keeps its usual way.
@Test(arguments: [WeightView.Format.bfloat16, .float8E4M3])
func whatIsNotTriedStaysUsual(format: WeightView.Format) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let other: WeightView.Format = format == .bfloat16 ? .float8E4M3 : .bfloat16
    let tuning = try #require(
        FetchTuning(
            matrices(format, bytes, count: 54) + matrices(other, bytes, count: 53), for: .table(.baseline)))
    let found = tuning.fastest(usual: FetchWays(.near)) { turn, way in way == .far ? 900 : 1000 }
    #expect(found[format] == .far && found[other] == .near)
}

/// Weights of two speeds, of which no way makes more: the usual ones stay. What makes a tenth, in either order of the
/// turns, is found for the format in which it does; what drifts is not taken for it, and a turn that waits for a disk ends the trial
/// of its format.
@Test(arguments: FetchWay.allCases)
func onlyTheWayCounts(usual: FetchWay) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let both = matrices(.bfloat16, bytes, count: 56) + matrices(.float8E4M3, bytes, count: 56)
    let tuning = try #require(FetchTuning(both, for: .table(.baseline)))
    var formats: Set<Int> = []
    func nanoseconds(_ turn: FetchTuning.Turn) -> Double {
        formats.insert(turn.format.size)
        return Double(turn.bytes) * (turn.format == .bfloat16 ? 0.02 : 0.03)
    }
    let usualWays = FetchWays(usual)
    #expect(tuning.fastest(usual: usualWays) { turn, _ in UInt64(nanoseconds(turn)) } == usualWays)
    #expect(formats == [1, 2])
    for (codes, numbers) in FetchWay.allCases.flatMap({ codes in FetchWay.allCases.map { (codes, $0) } }) {
        let better = FetchWays(codes: codes, numbers: numbers)
        let found = tuning.fastest(usual: usualWays) { turn, way in
            UInt64(nanoseconds(turn) * (way == better[turn.format] ? 0.9 : 1))
        }
        #expect(found == better)
    }
    var drift = 1.0
    let drifted = tuning.fastest(usual: usualWays) { turn, _ in
        drift *= 1.05
        return UInt64(nanoseconds(turn) * drift)
    }
    #expect(drifted == usualWays)
    var turns = 0
    let waited = tuning.fastest(usual: usualWays) { turn, way in
        turns += 1
        return turns == 20 ? 30_000_000 : UInt64(nanoseconds(turn) * (way == usual ? 1 : 0.5))
    }
    // Codes come first; the others were tried to the end.
    #expect(waited.codes == usual && waited.numbers != usual)
    #expect(turns == 20 + 18 * 3)
}

/// What a machine was told is what its loops do, whoever asks it for them.
@Test func aMachineAsksInTheWayItWasTold() {
    let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 1))
    #expect(compute.kernels.fetchWays == Kernels.table(.best).fetchWays)
    for (codes, numbers) in FetchWay.allCases.flatMap({ codes in FetchWay.allCases.map { (codes, $0) } }) {
        let ways = FetchWays(codes: codes, numbers: numbers)
        compute.fetch(ways)
        #expect(compute.kernels.fetchWays == ways)
        #expect(ways[.float8E4M3] == codes && ways[.bfloat16] == numbers && ways[.float32] == numbers)
        #expect(compute.kernels.fetchesOnce == Kernels.table(.best).fetchesOnce)
    }
}

/// Several tokens keep the nearest cache: where requests pass the second level, and so fill the nearest, they go into the second
/// whatever one token does; elsewhere into every cache.
@Test func requestsForSeveralTokensLeaveThemTheNearestCache() {
    for (way, format) in FetchWay.allCases.flatMap({ way in
        WeightView.Format.allCases.map { (way, $0) }
    }) {
        // The way of other weights is none of theirs.
        var ways = FetchWays(way == .near ? .far : .near)
        ways[format] = way
        let zen = Kernels.table(.best).fetching(once: true).fetching(ways)
        #expect(zen.fetchWayOfSeveral(format) == .secondLevel)
        #expect(zen.cache(zen.fetchWayOfSeveral(format)) == 2)
        #expect(zen.cache(way) == (way == .secondLevel ? 2 : 1))
        let other = Kernels.table(.best).fetching(once: false).fetching(ways)
        #expect(other.cache(other.fetchWayOfSeveral(format)) == 0)
        #expect(other.fetchWayOfSeveral(format) == (way == .near ? .near : .far))
        #expect(other.cache(way) == (way == .secondLevel ? 2 : 0))
    }
}

/// Four rows of codes are one stream where requests run far ahead: short ones past the second level, of which two such fours fit in
/// what is ahead; all but the widest into it, where what is ahead begins behind the four.
@Test func neighboursOfCodesAreOneStream() {
    for level in levels where level < .avx512 {
        let fewRegisters = Kernels.table(level).fetching(once: true).fetching(FetchWays(.far))
        #expect(fewRegisters.aheadOfFour(.float8E4M3, rowBytes: 384) == 0)
    }
    guard InstructionSet.best >= .avx512 else { return }
    let far = Kernels.table(.best).fetching(once: true).fetching(FetchWays(.far))
    for bytes in [1, 384, 1024] { #expect(far.aheadOfFour(.float8E4M3, rowBytes: bytes) >= 8 * bytes) }
    // Longer rows, and those with something between them, make four.
    for bytes in [1025, 2048, .max, nil] { #expect(far.aheadOfFour(.float8E4M3, rowBytes: bytes) == 0) }
    let second = far.fetching(FetchWays(codes: .secondLevel, numbers: .far))
    for bytes in [1, 384, 2048, 16384, 32768] {
        #expect(
            (4 * bytes + 4096...4 * bytes + 8192).contains(second.aheadOfFour(.float8E4M3, rowBytes: bytes)))
    }
    for bytes in [32769, .max, nil] { #expect(second.aheadOfFour(.float8E4M3, rowBytes: bytes) == 0) }
    let near = far.fetching(FetchWays(codes: .near, numbers: .far))
    #expect(near.aheadOfFour(.float8E4M3, rowBytes: 384) == 0)
    for kernels in [far, second] {
        for format in [WeightView.Format.bfloat16, .float32] {
            #expect(kernels.aheadOfFour(format, rowBytes: 384) == 0)
        }
        #expect(kernels.fetching(once: false).aheadOfFour(.float8E4M3, rowBytes: 384) == 0)
    }
}
