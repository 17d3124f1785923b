import Foundation
import GLMFiles
import GLMKernels
import GLMTestSupport
import GLMWeights
import Testing

/// Shares of columns that are too narrow to be read where they lie.
struct CopiedShareTests {
    /// Columns `range` of every matrix.
    private func scope(
        _ checkpoint: Checkpoint, _ columns: Range<Int>, block: BlockShape? = nil, copiesShares: Bool = true
    ) -> WeightScope {
        WeightScope(checkpoint, block: block, copiesShares: copiesShares) { _, rows, _ in
            MatrixPart(rows: 0..<rows, columns: columns)
        }
    }

    private func values(_ matrix: WeightMatrix) -> [[UInt32]] {
        (0..<matrix.rows).map { matrix.row($0).map(\.bitPattern) }
    }

    /// 127 bytes of a row and fewer are copied, row behind row; 128 stay where they are.
    @Test(arguments: [
        (ElementType.float32, 31, true), (.float32, 32, false), (.bfloat16, 63, true), (.bfloat16, 64, false),
    ])
    func onlyNarrowRowsAreCopied(type: ElementType, columns: Int, copied: Bool) throws {
        let directory = try TemporaryDirectory()
        let bytes = (0..<3 * 200 * type.size).map { UInt8(truncatingIfNeeded: $0 * 37 % 113) }
        let weights = try checkpoint([("w", type, [3, 200], bytes)], in: directory)
        let range = 5..<5 + columns
        let share = try scope(weights, range).matrix("w", rows: 3, columns: 200)
        let view = try scope(weights, range, copiesShares: false).matrix("w", rows: 3, columns: 200)
        #expect(share.ownedBytes == (copied ? 3 * columns * type.size : 0))
        #expect(share.view.rowStride == (copied ? columns : 200))
        #expect(view.ownedBytes == 0 && view.view.rowStride == 200)
        #expect(values(share) == values(view) && share.rows == 3 && share.columns == columns)
        // Negative control: another column is noticed.
        let other = try scope(weights, 6..<6 + columns).matrix("w", rows: 3, columns: 200)
        #expect(values(other) != values(share))
        // All columns of a row are never a copy, however few they are.
        let whole = try scope(weights, 0..<200).matrix("w", rows: 3, columns: 200)
        #expect(whole.ownedBytes == 0)
    }

    /// Blocks are counted from the whole tensor's origin, also where a share begins inside one; the file may go.
    @Test func codesKeepTheirScales() throws {
        let directory = try TemporaryDirectory()
        let codes = (0..<5 * 40).map { UInt8(truncatingIfNeeded: $0 * 11 % 126) }
        let block = BlockShape(rows: 2, columns: 7)
        func load(_ range: Range<Int>, copiesShares: Bool) throws -> WeightMatrix {
            let weights = try checkpoint(
                [
                    ("w", .float8E4M3, [5, 40], codes),
                    ("w_scale_inv", .float32, [3, 6], floatBytes((0..<18).map { Float($0 + 1) / 4 })),
                ], in: directory)
            return try scope(weights, range, block: block, copiesShares: copiesShares)
                .matrix("w", rows: 5, columns: 40)
        }
        for range in [0..<5, 5..<10, 9..<30, 33..<40] {
            let share = try load(range, copiesShares: true)
            #expect(share.ownedBytes == 5 * range.count && share.storedType == .float8E4M3)
            #expect(try values(share) == values(load(range, copiesShares: false)), "\(range)")
        }
    }

    /// Of a matrix that was widened a device keeps its own part alone, also in a model that copies nothing else.
    @Test(arguments: [true, false]) func widenedMatricesAreNotKeptWhole(copiesShares: Bool) throws {
        let directory = try TemporaryDirectory()
        let bytes = (0..<2 * 300).flatMap { index -> [UInt8] in [UInt8(truncatingIfNeeded: index), 0x3c] }
        let weights = try checkpoint([("w", .float16, [2, 300], bytes)], in: directory)
        let share = try scope(weights, 100..<250, copiesShares: copiesShares).matrix(
            "w", rows: 2, columns: 300)
        #expect(share.view.rowStride == 150 && share.ownedBytes == 2 * 150 * 4)
        let whole = try WeightScope(weights, block: nil).matrix("w", rows: 2, columns: 300)
        #expect(share.row(1) == Array(whole.row(1)[100..<250]))
    }

    #if os(Linux)
        /// What was copied leaves the mapping, and a scan of all weights does not bring it back.
        @Test func pagesOfACopiedTensorAreGivenBack() throws {
            let directory = try TemporaryDirectory()
            let size = 4 << 20
            let bytes = [UInt8](repeating: 1, count: size)
            func mapped(copiesShares: Bool) throws -> Int {
                let weights = try checkpoint(
                    [("a", .bfloat16, [2048, 1024], bytes), ("b", .bfloat16, [2048, 1024], bytes)],
                    in: directory)
                _ = try scope(weights, 0..<32, copiesShares: copiesShares).matrix(
                    "a", rows: 2048, columns: 1024)
                try weights.scan(pool: ThreadPool(threads: 1))
                return try withExtendedLifetime(weights) {
                    try residentBytes(of: directory.file("model.safetensors"))
                }
            }
            #expect(try mapped(copiesShares: false) > 2 * size - (1 << 20))
            #expect(try mapped(copiesShares: true) < size + (1 << 20))
        }

        /// Bytes of a file that are mapped into this process and present.
        private func residentBytes(of path: String) throws -> Int {
            let name = String(path.drop { $0 == "/" })
            var (inside, sum) = (false, 0)
            // A file without a size, of which other functions read the first part.
            let map = try #require(try FileHandle(forReadingAtPath: "/proc/self/smaps")?.readToEnd())
            for line in String(decoding: map, as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                if words.first?.contains("-") == true { inside = line.hasSuffix(name) }
                if inside, words.first == "Rss:", let kilobytes = Int(words[1]) { sum += kilobytes << 10 }
            }
            return sum
        }
    #endif
}
