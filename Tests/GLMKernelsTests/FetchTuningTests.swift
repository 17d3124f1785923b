import GLMKernels
import Testing

/// The distance that is clearly faster is taken, in the median, so that a turn that was disturbed does not decide; else the usual
/// one stays, also where it was not tried.
@Test func theUsualDistanceStaysUnlessAnotherIsClearlyFaster() {
    func choice(_ first: [UInt64], _ second: [UInt64], usual: Int) -> Int {
        FetchTuning.choice(of: [first, second], usual: usual)
    }
    let (near, far) = (FetchTuning.distances[0], FetchTuning.distances[1])
    #expect(choice([80, 90, 900], [100, 100, 100], usual: far) == near)
    #expect(choice([80, 90, 900], [100, 100, 100], usual: near) == near)
    #expect(choice([98, 98, 98], [100, 100, 100], usual: far) == far)
    #expect(choice([100, 100, 100], [98, 98, 98], usual: near) == near)
    #expect(choice([100, 100, 100], [90, 90, 90], usual: near) == far)
    #expect(choice([100, 100, 100], [90, 90, 90], usual: 512) == far)
}

/// Matrices that a cache would hold say nothing of memory. Those of a model are tried in pieces, of which the last of a matrix is
/// short, and one of the distances comes out.
@Test(arguments: levels, WeightView.Format.allCases)
func matricesAreTriedAndFewAreNot(level: InstructionSet, format: WeightView.Format) throws {
    let pool = ThreadPool(threads: 2)
    let (rows, columns) = (1037, 1000)
    let bytes = try GuardedBytes(count: rows * columns * format.size)
    let matrix = FetchTuning.Matrix(format, base: bytes.base, rows: rows, columns: columns)
    let needed = 16 * (8 << 20) / (rows * columns * format.size)
    let tuning = try #require(FetchTuning([FetchTuning.Matrix](repeating: matrix, count: needed + 16)))
    #expect(FetchTuning.distances.contains(tuning.fastest(.table(level), pool)))
    #expect(FetchTuning([FetchTuning.Matrix](repeating: matrix, count: needed - 1)) == nil)
    #expect(FetchTuning([]) == nil)
}

/// What a machine was told is what its loops do, whoever asks it for them.
@Test func aMachineAsksAsFarAheadAsItWasTold() {
    let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 1))
    #expect(compute.kernels.fetchDistance == Kernels.table(.best).fetchDistance)
    for distance in FetchTuning.distances {
        compute.fetch(ahead: distance)
        #expect(compute.kernels.fetchDistance == distance)
        #expect(compute.kernels.fetchesOnce == Kernels.table(.best).fetchesOnce)
    }
}
