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
