import GLMKernels
import GLMModel
import GLMTensor
import GLMWeights
import Testing

/// Experts' outputs are made and added up a part at a time, each of 2 MB at most; a token gets the bits that it gets alone.
@Suite struct MixtureOfExpertsTests {
    private static let (hidden, width, experts, perToken) = (512, 16, 6, 2)
    /// Rows of all experts: 1,200 of 2 KB, so two parts.
    private static let tokens = 600

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

    @Test(arguments: [1, 2]) func partsChangeNothing(threads: Int) throws {
        let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: threads))
        let mixture = Self.mixture(compute)
        let x = Tensor(
            shape: [Self.tokens, Self.hidden], values: Self.values(Self.tokens * Self.hidden, seed: 3))
        let together = mixture(x)
        // Every expert has work, so the first and the last part have.
        #expect(Self.tokens * Self.perToken * Self.hidden * 4 > MixtureOfExperts.partBytes)
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
}
