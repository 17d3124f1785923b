import GLMKernels
import GLMTestSupport
import Testing

/// OpenBLAS as the independent check of the own products; without the library there is nothing to compare.
@Suite struct OpenBLASTests {
    static let library = OpenBLAS.find()

    @Test(.enabled(if: library != nil), arguments: [(1, 33, 20), (7, 129, 65), (50, 576, 130)])
    func agreesWithTheOwnProduct(tokens: Int, columns: Int, rows: Int) throws {
        let library = try #require(Self.library)
        var state: UInt32 = 12345
        func random() -> Float {
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
        }
        let x = (0..<(tokens * columns)).map { _ in random() }
        let weights = (0..<(rows * columns)).map { _ in BFloat16.encode(random()) }
        func products(_ blas: OpenBLAS?) -> [Float] {
            let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 2), blas: blas)
            var y = [Float](repeating: .nan, count: tokens * rows)
            x.withUnsafeBufferPointer { x in
                weights.withUnsafeBytes { weights in
                    y.withUnsafeMutableBufferPointer { y in
                        guard let x = x.baseAddress, let w = weights.baseAddress, let y = y.baseAddress else {
                            return
                        }
                        compute.product([
                            ProductGroup(
                                weight: WeightView(format: .bfloat16, base: w, rows: rows, columns: columns),
                                x: x,
                                tokens: tokens, xStride: columns, y: y, yStride: rows)
                        ])
                    }
                }
            }
            return y
        }
        // Rounding of `columns` additions of products below 1.
        let tolerance = Float(columns) * 0x1p-23
        let (own, other) = (products(nil), products(library))
        for (a, b) in zip(own, other) { #expect(abs(a - b) <= tolerance) }
        // Negative control: one weight changed by a hundredth would not pass.
        #expect(tolerance < 0.01)
    }

    @Test(.enabled(if: library != nil)) func namesItself() {
        #expect(Self.library?.library.contains("openblas") == true)
        #expect(Self.library?.coreType.isEmpty == false)
    }
}
