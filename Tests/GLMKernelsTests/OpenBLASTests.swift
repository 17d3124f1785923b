import GLMKernels
import Testing

/// OpenBLAS as the independent check of the own products; without the library there is nothing to compare.
@Suite struct OpenBLASTests {
    static let library = OpenBLAS.find()

    @Test(
        .enabled(if: library != nil), arguments: WeightView.Format.allCases,
        [(2, 33, 20), (7, 129, 65), (50, 576, 130), (4, 256, 300)])
    func agreesWithTheOwnProduct(format: WeightView.Format, shape: (Int, Int, Int)) throws {
        let library = try #require(Self.library)
        let (tokens, columns, rows) = shape
        let stored = try StoredMatrix(format, rows: rows, columns: columns)
        let x = try activations(tokens * columns)
        func products(_ blas: OpenBLAS?, _ weight: WeightView) throws -> [Float] {
            let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 2), blas: blas)
            return try results(tokens * rows) { y in
                compute.product([
                    ProductGroup(
                        weight: weight, x: x.floats, tokens: tokens, xStride: columns, y: y, yStride: rows)
                ])
            }
        }
        /// Differences beyond the rounding of every product and addition.
        func differences(_ a: [Float], _ b: [Float]) -> Int {
            (0..<tokens * rows).count { index in
                let (t, n) = index.quotientAndRemainder(dividingBy: rows)
                let size = (0..<columns).reduce(0 as Float) {
                    $0 + abs(stored.view.value(n, $1) * x.floats[t * columns + $1])
                }
                return !(abs(a[index] - b[index]) <= size * 0x1p-23 * Float(columns).squareRoot() * 2)
            }
        }
        let own = try products(nil, stored.view)
        #expect(try differences(own, products(library, stored.view)) == 0)
        // Negative control: the rows shifted by one are another matrix.
        var shifted = stored.view.rows(1..<rows)
        shifted.rows = rows - 1
        let other = try results(tokens * rows) { y in
            Compute(kernels: .table(.best), pool: ThreadPool(threads: 2), blas: library).product([
                ProductGroup(
                    weight: shifted, x: x.floats, tokens: tokens, xStride: columns, y: y, yStride: rows)
            ])
        }
        #expect(differences(own, other) > tokens * rows / 2)
    }

    @Test(.enabled(if: library != nil)) func namesItself() {
        #expect(Self.library?.library.contains("openblas") == true)
        #expect(Self.library?.coreType.isEmpty == false)
    }
}
