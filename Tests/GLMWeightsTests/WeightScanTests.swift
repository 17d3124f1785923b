import GLMFiles
import GLMKernels
import GLMTestSupport
import GLMWeights
import Synchronization
import Testing

struct WeightScanTests {
    /// Two pieces of what one thread reads at a time, and a tail that no block of 4096 covers. Rows of 1000.
    private static let count = 4_200_000
    /// Every code that is a number.
    private static let codes = (0..<count).map { UInt8(truncatingIfNeeded: $0 % 127 + ($0 / 127 % 2) * 128) }

    private func weights(_ codes: [UInt8], in directory: TemporaryDirectory) throws -> Checkpoint {
        try checkpoint([("w", .float8E4M3, [codes.count / 1000, 1000], codes)], in: directory)
    }

    @Test func allNumbersPass() throws {
        let directory = try TemporaryDirectory()
        #expect(Set(Self.codes).count == 254)
        try weights(Self.codes, in: directory).scan(pool: ThreadPool(threads: 2))
    }

    /// Every kind of place: first, within a block of 4096, at its ends, at a piece's ends, in the tail.
    @Test(arguments: [0, 1, 4095, 4096, 12_288, 12_287, (4 << 20) - 1, 4 << 20, count - 1])
    func findsTheOneNaNCode(_ place: Int) throws {
        let directory = try TemporaryDirectory()
        var codes = Self.codes
        codes[place] = place % 2 == 0 ? 0x7f : 0xff
        let bad = try weights(codes, in: directory)
        for threads in [1, 3] {
            expectRefused(containing: "tensor w: a NaN code at row \(place / 1000), column \(place % 1000);")
            {
                try bad.scan(pool: ThreadPool(threads: threads))
            }
        }
    }

    @Test func theFirstOfManyIsNamed() throws {
        let directory = try TemporaryDirectory()
        let bad = try checkpoint(
            [
                ("f", .bfloat16, [1, 4], [0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff]),
                ("a", .float8E4M3, [2, 2], [0, 0, 0, 0]), ("b", .float8E4M3, [2, 2], [0, 0, 0, 0xff]),
                ("c", .float8E4M3, [2, 2], [0x7f, 0, 0, 0]),
            ], in: directory)
        expectRefused(containing: "tensor b: a NaN code at row 1, column 1") {
            try bad.scan(pool: ThreadPool(threads: 2))
        }
    }

    @Test func progressIsMonotonicAndComplete() throws {
        let directory = try TemporaryDirectory()
        let size = 13 << 20
        let weights = try checkpoint(
            [
                ("a", .uint8, [size], [UInt8](repeating: 255, count: size)),
                ("b", .float8E4M3, [3, 1], [1, 2, 3]),
            ],
            in: directory)
        let seen = Mutex<[Int]>([])
        try weights.scan(pool: ThreadPool(threads: 3)) { done in seen.withLock { $0.append(done) } }
        let steps = seen.withLock { $0 }
        #expect(steps == steps.sorted() && steps.last == weights.byteCount && weights.byteCount == size + 3)
    }
}
