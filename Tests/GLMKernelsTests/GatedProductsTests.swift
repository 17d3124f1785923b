import GLMKernels
import Testing

/// Four MLPs of one token in the formats of checkpoints, and two products of other shapes beside them.
private struct Mixture {
    static let columns = 200
    static let inner = 130
    static let rows = 261
    private let mlps: [[StoredMatrix]]
    private let others: [StoredMatrix]
    private let x: GuardedBytes

    init(_ format: WeightView.Format) throws {
        let shapes = [
            (Mixture.inner, Mixture.columns), (Mixture.inner, Mixture.columns), (Mixture.rows, Mixture.inner),
        ]
        mlps = try (0..<4).map { mlp in
            try shapes.enumerated().map {
                try StoredMatrix(
                    format, rows: $1.0, columns: $1.1, seed: UInt64(3 * mlp + $0 + 1))
            }
        }
        others = try [
            StoredMatrix(format, rows: 900, columns: Mixture.columns),
            StoredMatrix(.float32, rows: 3, columns: 7),
        ]
        x = try activations(Mixture.columns)
    }

    /// Outputs of all four, then those of the others.
    func made(_ compute: Compute, swapped: Bool = false) throws -> [Float] {
        let outputs = try mlps.map { _ in try GuardedBytes(count: Mixture.rows * 4) }
        let beside = try others.map { try GuardedBytes(count: $0.view.rows * 4) }
        let groups = zip(mlps, outputs).map { mlp, y in
            GatedGroup(
                gate: mlp[swapped ? 1 : 0].view, up: mlp[swapped ? 0 : 1].view, down: mlp[2].view,
                x: x.floats, y: y.floats)
        }
        let products = zip(others, beside).map { matrix, y in
            ProductGroup(
                weight: matrix.view, x: x.floats, tokens: 1, xStride: matrix.view.columns, y: y.floats,
                yStride: matrix.view.rows)
        }
        compute.gatedProducts(groups, beside: products)
        return withExtendedLifetime(self) {
            (outputs + beside).flatMap { y in (0..<y.count / 4).map { y.floats[$0] } }
        }
    }

    /// The same, product by product on one thread.
    func expected(_ kernels: Kernels) throws -> [Float] {
        func product(_ matrix: StoredMatrix, _ x: UnsafePointer<Float>) throws -> [Float] {
            try results(matrix.view.rows) {
                kernels.product(
                    matrix.view, rows: 0..<matrix.view.rows, x: x, tokens: 1, xStride: 0, y: $0, yStride: 0)
            }
        }
        let sums = try mlps.flatMap { mlp in
            let gate = try product(mlp[0], x.floats), up = try product(mlp[1], x.floats)
            let inner = try GuardedBytes(
                results(Mixture.inner) {
                    kernels.siluMultiply(gate: gate, up: up, count: Mixture.inner, output: $0)
                })
            return try product(mlp[2], inner.floats)
        }
        return try sums + others.flatMap { try product($0, x.floats) }
    }
}

@Test(arguments: levels, WeightView.Format.allCases)
func gatedProductsAreTheirThreeProducts(level: InstructionSet, format: WeightView.Format) throws {
    let mixture = try Mixture(format), kernels = Kernels.table(level)
    let expected = bits(try mixture.expected(kernels))
    for threads in [1, 2, 4] {
        let compute = Compute(kernels: kernels, pool: ThreadPool(threads: threads))
        #expect(bits(try mixture.made(compute)) == expected)
        // Negative control: an MLP whose first two weights are exchanged is noticed.
        #expect(bits(try mixture.made(compute, swapped: true)) != expected)
    }
}

@Test func workOfGatedProductsIsCounted() throws {
    let profile = Profile(laps: false)
    let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 2), profile: profile)
    _ = try Mixture(.bfloat16).made(compute)
    let (columns, inner, rows) = (Mixture.columns, Mixture.inner, Mixture.rows)
    let elements = 4 * (2 * inner * columns + rows * inner) + 900 * columns
    #expect(profile.work == Work(bytes: elements * 2 + 3 * 7 * 4, operations: 2 * (elements + 3 * 7)))
}

@Test func mlpsStayTogetherWhereThreadsGetAsMany() {
    let kernels = Kernels.table(min(.best, .avx512))
    func keeps(
        _ count: Int, threads: Int, bytes: Int = 1 << 20, _ arithmetic: ProductArithmetic = .float32
    ) -> Bool {
        Compute(kernels: kernels, pool: ThreadPool(threads: threads), arithmetic: arithmetic)
            .keepsTogether(count, bytes: bytes)
    }
    #expect(keeps(8, threads: 2) && keeps(8, threads: 8) && keeps(3, threads: 1))
    #expect(!keeps(8, threads: 3) && !keeps(3, threads: 2) && !keeps(0, threads: 2))
    // One that takes long makes the last thread late.
    #expect(keeps(8, threads: 2, bytes: 4 << 20) && !keeps(8, threads: 2, bytes: 4 << 20 + 1))
    // Other arithmetic takes activations that are prepared first.
    #expect(!keeps(8, threads: 2, .bfloat16) && !keeps(8, threads: 2, .w8a8))
    if InstructionSet.available.contains(.amx) {
        #expect(
            !Compute(kernels: .table(.amx), pool: ThreadPool(threads: 2)).keepsTogether(8, bytes: 1 << 20))
    }
}
