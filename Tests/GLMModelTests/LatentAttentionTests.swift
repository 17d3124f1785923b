import GLMKernels
import GLMModel
import GLMTensor
import Testing

/// Rows alone, of more keys than one thread takes by itself: threads share out blocks, or keys, heads and columns.
struct LatentAttentionTests {
    private struct Shape: CustomStringConvertible {
        let heads, latent, rope, keys: Int
        var description: String { "\(heads) heads of \(latent) + \(rope), \(keys) keys" }
    }

    private static let shapes = [(1, 1, 0), (3, 20, 13), (16, 256, 64)].flatMap { widths in
        [129, 256, 257, 512, 700, 1100].map {
            Shape(heads: widths.0, latent: widths.1, rope: widths.2, keys: $0)
        }
    }

    /// Two rows, so that from three threads on there are fewer rows than threads; the second one sees fewer keys.
    private static func attend(_ shape: Shape, threads: Int, unseen: Int = 1) -> [Float] {
        let width = shape.latent + shape.rope
        let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: threads))
        let attention = LatentAttention(
            heads: shape.heads, latentRank: shape.latent, ropeDimension: shape.rope, scale: 0.3,
            compute: compute)
        return attention(
            queries(shape), keys: Tensor(shape: [shape.keys, width], values: numbers(shape.keys * width, 5)),
            selection: KeySelection(denseOver: [shape.keys, shape.keys - unseen])
        ).values
    }

    private static func queries(_ shape: Shape) -> Tensor {
        let width = shape.latent + shape.rope
        return Tensor(shape: [2, shape.heads, width], values: numbers(2 * shape.heads * width, 3))
    }

    /// Numbers between −1 and 1 that look random.
    private static func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int32(truncatingIfNeeded: state >> 33) & 0xFFFF) / 32768 - 1
        }
    }

    @Test(arguments: shapes.indices)
    func everyNumberOfThreadsGivesTheSameBits(index: Int) {
        let shape = Self.shapes[index]
        let alone = Self.attend(shape, threads: 1).map(\.bitPattern)
        for threads in [2, 3, 4, 5, 17] {
            #expect(
                Self.attend(shape, threads: threads).map(\.bitPattern) == alone,
                "\(threads) threads, \(shape)")
        }
        // Negative control: one key more of the second row shows, and in that row alone.
        let other = Self.attend(shape, threads: 17, unseen: 0).map(\.bitPattern)
        let half = alone.count / 2
        #expect(other[..<half] == alone[..<half] && other[half...] != alone[half...])
    }

    @Test(arguments: shapes.indices)
    func equalsThePlainLoops(index: Int) {
        let shape = Self.shapes[index]
        let width = shape.latent + shape.rope, size = shape.heads * shape.latent
        let keys = Self.numbers(shape.keys * width, 5), queries = Self.queries(shape).values
        var expected: [UInt32] = []
        keys.withUnsafeBufferPointer { keys in
            guard let base = keys.baseAddress else { return }
            let pages = stride(from: 0, to: shape.keys, by: KeyRows.pageTokens).map { base + $0 * width }
            pages.withUnsafeBufferPointer { pages in
                guard let pages = pages.baseAddress else { return }
                for row in 0..<2 {
                    var output = [Float](repeating: 0, count: size)
                    var scratch = [Float](repeating: 0, count: Kernels.attentionBlock)
                    NaiveKernels(.best).attend(
                        query: Array(queries[(row * shape.heads * width)...]), heads: shape.heads,
                        width: width,
                        latentWidth: shape.latent, scale: 0.3,
                        keys: KeyRows(pages: pages, width: width, count: shape.keys - row), scratch: &scratch,
                        output: &output)
                    expected += output.map(\.bitPattern)
                }
            }
        }
        for threads in [1, 2, 3, 17] {
            #expect(
                Self.attend(shape, threads: threads).map(\.bitPattern) == expected,
                "\(threads) threads, \(shape)")
        }
    }
}
