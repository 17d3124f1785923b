import GLMKernels
import GLMModel
import GLMTensor
import GLMWeights
import Testing

/// Experts' outputs are made and added up in parts; a token gets the bits that it gets alone.
@Suite struct MixtureOfExpertsTests {
    private static let (hidden, width, experts, perToken) = (512, 16, 6, 2)
    /// Rows of all experts: 1,800 of 2 KB, so two parts where a part has 2 MB, and more where it has less.
    private static let tokens = 900

    private static func values(_ count: Int, seed: Int) -> [Float] {
        (0..<count).map { Float(($0 &* 7919 &+ seed &* 104_729) % 2003 - 1001) / 4096 }
    }

    private static func matrix(_ rows: Int, _ columns: Int, seed: Int) -> WeightMatrix {
        WeightMatrix(Tensor(shape: [rows, columns], values: values(rows * columns, seed: seed)))
    }

    private static func mlp(_ seed: Int, _ compute: Compute) -> GatedMLP {
        GatedMLP(
            gate: matrix(width, hidden, seed: seed), up: matrix(width, hidden, seed: seed + 1),
            down: matrix(hidden, width, seed: seed + 2), compute: compute)
    }

    private static func mixture(_ compute: Compute) -> MixtureOfExperts {
        let router = Router(
            gate: Tensor(shape: [experts, hidden], values: values(experts * hidden, seed: 1)),
            correctionBias: [Float](repeating: 0, count: experts), groups: 1, groupsPerToken: 1,
            expertsPerToken: perToken, normalizes: true, scaling: 2.5, compute: compute)
        return MixtureOfExperts(
            router: router, experts: (0..<experts).map { mlp(10 * $0 + 2, compute) },
            shared: mlp(100, compute), compute: compute)
    }

    /// Vectors, whatever else there is; matrix registers where there are some.
    private static let levels = Set([min(InstructionSet.best, .avx512), .best])

    @Test(arguments: [1, 2, 3], [ProductArithmetic.float32, .bfloat16])
    func partsChangeNothing(threads: Int, arithmetic: ProductArithmetic) throws {
        for level in Self.levels { try partsChangeNothing(level, threads: threads, arithmetic) }
    }

    private func partsChangeNothing(
        _ level: InstructionSet, threads: Int, _ arithmetic: ProductArithmetic
    ) throws {
        let compute = Compute(
            kernels: .table(level), pool: ThreadPool(threads: threads), arithmetic: arithmetic)
        // Experts of a token alone are made whole by one thread each, or product by product by all: both roads are taken.
        #expect(
            compute.keepsTogether(Self.perToken, bytes: 3 * Self.width * Self.hidden * 4)
                == (arithmetic == .float32 && level <= .avx512 && threads < 3))
        let mixture = Self.mixture(compute)
        let x = Tensor(
            shape: [Self.tokens, Self.hidden], values: Self.values(Self.tokens * Self.hidden, seed: 3))
        let together = mixture(x)
        let order = ExpertOrder(mixture.router(x).routing, experts: Self.experts, owned: 0..<Self.experts)
        let limit = MixtureOfExperts.partBytes * threads / (Self.hidden * 4)
        #expect(order.parts(ofRows: limit).count > 1)
        #expect(Set(mixture.router(x).routing.experts).count == Self.experts)
        var different = Set<[Float]>()
        for token in 0..<Self.tokens {
            let alone = mixture(Tensor(shape: [1, Self.hidden], values: Array(x.row(token))))
            #expect(alone.values.map(\.bitPattern) == together.row(token).map(\.bitPattern), "token \(token)")
            different.insert(alone.values)
        }
        // Negative control: tokens differ, so rows that were mixed up would be noticed.
        #expect(different.count > Self.tokens / 2)
    }

    @Test func noTokensGiveNone() {
        let mixture = Self.mixture(Compute(kernels: .table(.best), pool: ThreadPool(threads: 2)))
        #expect(mixture(Tensor(zeros: [0, Self.hidden])) == Tensor(zeros: [0, Self.hidden]))
    }

    /// Parts hold every row of the experts that a device owns once, in order, and no more than was asked unless one expert has more.
    @Test(arguments: [0..<6, 2..<5, 5..<6, 0..<0], [1, 7, 100, 10_000])
    func partsHoldEveryRowOnce(owned: Range<Int>, limit: Int) throws {
        let mixture = Self.mixture(Compute(kernels: .table(.best), pool: ThreadPool(threads: 1)))
        let x = Tensor(shape: [40, Self.hidden], values: Self.values(40 * Self.hidden, seed: 5))
        let routing = mixture.router(x).routing
        let parts = ExpertOrder(routing, experts: Self.experts, owned: owned).parts(ofRows: limit)
        let pairs = routing.experts.filter { owned.contains(Int($0)) }
        #expect(parts.map(\.rows.count).reduce(0, +) == pairs.count)
        #expect(parts.flatMap { $0.runs.map(\.expert) } == Set(pairs.map(Int.init)).sorted())
        #expect(!parts.isEmpty)
        var next = 0
        for part in parts {
            #expect(part.rows.count <= limit || part.runs.count == 1)
            for run in part.runs {
                #expect(run.rows.lowerBound == next)
                next = run.rows.upperBound
            }
            #expect(part.rows.upperBound == next || part.runs.isEmpty)
        }
    }
}
