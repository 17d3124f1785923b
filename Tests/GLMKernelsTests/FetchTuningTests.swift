import GLMKernels
import Testing

/// The distance that is clearly faster is taken, in the median, so that turns that were disturbed do not decide; else the usual
/// one stays, whichever that is.
@Test func theUsualDistanceStaysUnlessAnotherIsClearlyFaster() {
    for usual in [FetchTuning.near, FetchTuning.far, 512] {
        func choice(_ shares: Double...) -> Int { FetchTuning.choice(of: shares, usual: usual) }
        #expect(choice(0.9, 0.9, 9) == FetchTuning.near)
        #expect(choice(1.1, 1.1, 0.1) == FetchTuning.far)
        #expect(choice(0.98, 0.98, 0.1) == usual)
        #expect(choice(1.02, 1.02, 9) == usual)
    }
}

/// Two matrices of 4 MB and a short rest for each pair of turns, in memory that ends with the last element.
private func matrices(_ format: WeightView.Format, _ bytes: GuardedBytes, count: Int) -> [FetchTuning.Matrix]
{
    [FetchTuning.Matrix](
        repeating: FetchTuning.Matrix(format, base: bytes.base, rows: 1051, columns: 4000 / format.size),
        count: count)
}

/// Matrices that a cache would hold say nothing of memory: pairs of turns of one kind must come together. A pool of one thread
/// and of two, rows in whole lines and not, reading nothing behind the last.
@Test(arguments: levels, WeightView.Format.allCases)
func aSampleOfAllWeightsIsTried(level: InstructionSet, format: WeightView.Format) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let kernels = Kernels.table(level)
    for threads in 1...2 {
        let tuning = try #require(FetchTuning(matrices(format, bytes, count: 32), for: kernels))
        let chosen = tuning.fastest(kernels, ThreadPool(threads: threads))
        #expect([FetchTuning.near, FetchTuning.far].contains(chosen))
    }
    #expect(FetchTuning(matrices(format, bytes, count: 31), for: kernels) == nil)
    #expect(FetchTuning([], for: kernels) == nil)
    // Of each kind half: none has enough alone, and together they have.
    let other: WeightView.Format = format == .float32 ? .bfloat16 : .float32
    let both = matrices(format, bytes, count: 16) + matrices(other, bytes, count: 16)
    #expect(FetchTuning(both, for: kernels) != nil)
    // Turns of two kinds are no pair.
    let odd = matrices(format, bytes, count: 17) + matrices(other, bytes, count: 15)
    #expect(FetchTuning(odd, for: kernels) == nil)
}

/// Weights of two speeds, of which neither distance makes more: the usual one stays. What makes a tenth, in either order of the
/// turns and in either format, is found; what drifts is not taken for it, and a turn that waits for a disk ends the trial.
@Test(arguments: [FetchTuning.near, FetchTuning.far])
func onlyTheDistanceCounts(usual: Int) throws {
    let bytes = try GuardedBytes(count: 1051 * 4000)
    let both = matrices(.bfloat16, bytes, count: 17) + matrices(.float8E4M3, bytes, count: 17)
    let tuning = try #require(FetchTuning(both, for: .table(.baseline)))
    let (near, far) = (FetchTuning.near, FetchTuning.far)
    var formats: Set<Int> = []
    func nanoseconds(_ turn: FetchTuning.Turn) -> Double {
        formats.insert(turn.format.size)
        return Double(turn.bytes) * (turn.format == .bfloat16 ? 0.02 : 0.03)
    }
    #expect(tuning.fastest(usual: usual) { turn, _ in UInt64(nanoseconds(turn)) } == usual)
    #expect(formats == [1, 2])
    for better in [near, far] {
        let found = tuning.fastest(usual: usual) { turn, distance in
            UInt64(nanoseconds(turn) * (distance == better ? 0.9 : 1))
        }
        #expect(found == better)
    }
    var drift = 1.0
    let drifted = tuning.fastest(usual: usual) { turn, _ in
        drift *= 1.05
        return UInt64(nanoseconds(turn) * drift)
    }
    #expect(drifted == usual)
    let other = usual == near ? far : near
    var turns = 0
    let waited = tuning.fastest(usual: usual) { turn, distance in
        turns += 1
        return turns == 20 ? 30_000_000 : UInt64(nanoseconds(turn) * (distance == other ? 0.5 : 1))
    }
    #expect(waited == usual)
    #expect(turns == 20)
}

/// What a machine was told is what its loops do, whoever asks it for them.
@Test func aMachineAsksAsFarAheadAsItWasTold() {
    let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 1))
    #expect(compute.kernels.fetchDistance == Kernels.table(.best).fetchDistance)
    for distance in [FetchTuning.near, FetchTuning.far] {
        compute.fetch(ahead: distance)
        #expect(compute.kernels.fetchDistance == distance)
        #expect(compute.kernels.fetchesOnce == Kernels.table(.best).fetchesOnce)
    }
}
