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
    }

    /// All columns of a row are never a copy, however few they are.
    @Test func wholeRowsStayWhereTheyAre() throws {
        let directory = try TemporaryDirectory()
        let weights = try checkpoint(
            [("w", .bfloat16, [3, 20], [UInt8](repeating: 7, count: 120))], in: directory)
        let top = scope(weights, 0..<20)
        #expect(try top.matrix("w", rows: 3, columns: 20).ownedBytes == 0 && top.copied.isEmpty)
        let narrow = scope(weights, 0..<19)
        #expect(try narrow.matrix("w", rows: 3, columns: 20).ownedBytes == 3 * 19 * 2 && narrow.copied == [0])
    }

    /// Of a tensor that is missing nothing is copied: there is nothing, and it is told with all others.
    @Test(arguments: [true, false]) func whatIsMissingIsNotCopied(copiesShares: Bool) throws {
        let directory = try TemporaryDirectory()
        let weights = try checkpoint([("v", .float32, [1], floatBytes([1]))], in: directory)
        let top = scope(weights, 0..<8, copiesShares: copiesShares)
        _ = try top.vector("v", count: 1)
        // Nobody has so much memory.
        let missing = try top.matrix("w", rows: 1 << 30, columns: 4096)
        #expect(missing.rows == 1 << 30 && missing.columns == 8 && top.copied.isEmpty)
        expectRefused(containing: "1 missing: w") { try top.finish() }
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

    /// Codes that are not numbers are found in a tensor that was copied, too.
    @Test func aScanLooksAtCopiedCodes() throws {
        let directory = try TemporaryDirectory()
        let weights = try checkpoint([("w", .float8E4M3, [1, 4], [1, 2, 0x7f, 3])], in: directory)
        expectRefused(containing: "tensor w: a NaN code at row 0, column 2") {
            try weights.scan(pool: ThreadPool(threads: 1), copied: [0])
        }
    }

    #if os(Linux)
        /// What was copied leaves the mapping, and a scan of all weights does not bring it back.
        @Test(arguments: [ElementType.bfloat16, .float8E4M3])
        func pagesOfACopiedTensorAreGivenBack(type: ElementType) throws {
            let directory = try TemporaryDirectory()
            let size = 8 << 20
            let bytes = [UInt8](repeating: 1, count: size), shape = [2048, 4096 / type.size]
            // Pages come in with their neighbours: tensors between them keep the two apart.
            let between = [UInt8](repeating: 1, count: 4 << 20)
            let weights = try checkpoint(
                [
                    ("a", type, shape, bytes), ("a.b", .uint8, [between.count], between),
                    ("b", type, shape, bytes),
                    ("b_scale_inv", .float32, [1, 1], floatBytes([1])),
                    ("a_scale_inv", .float32, [1, 1], floatBytes([1])),
                ], in: directory)
            func resident() throws -> Int {
                try withExtendedLifetime(weights) {
                    try residentBytes(of: directory.file("model.safetensors"))
                }
            }
            let block = BlockShape(rows: 4096, columns: 4096)
            let top = scope(weights, 0..<32, block: block)
            _ = try top.matrix("a", rows: shape[0], columns: shape[1])
            #expect(try resident() > size - (1 << 20))
            weights.release(top.copied)
            #expect(try resident() < size / 2)
            try weights.scan(pool: ThreadPool(threads: 1), copied: top.copied)
            #expect(try resident() < size + between.count + size / 2)
            // Negative controls: a scan that is told of no copies, and a share that is none.
            try weights.scan(pool: ThreadPool(threads: 1))
            #expect(try resident() > 2 * size)
            let other = scope(weights, 0..<32, block: block, copiesShares: false)
            _ = try other.matrix("a", rows: shape[0], columns: shape[1])
            #expect(other.copied.isEmpty)
            weights.release(other.copied)
            #expect(try resident() > 2 * size)
        }

        /// Bytes of a file that are mapped into this process and present.
        private func residentBytes(of path: String) throws -> Int {
            // The folder may have been reached by a link: its name is its own.
            let name = path.split(separator: "/").suffix(2).joined(separator: "/")
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
