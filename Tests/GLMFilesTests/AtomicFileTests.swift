import GLMFiles
import GLMTestSupport
import Testing

struct AtomicFileTests {
    @Test func appearsOnlyWhenCommitted() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("a", "old")
        let file = try AtomicFile(path: path)
        try file.write(Array("new".utf8))
        #expect(try fileBytes(path) == Array("old".utf8))
        #expect(try directory.contents().count == 2)
        try file.commit()
        #expect(try fileBytes(path) == Array("new".utf8))
        #expect(try directory.contents() == ["a"])
    }

    @Test func leavesNothingWithoutCommit() throws {
        let directory = try TemporaryDirectory()
        do {
            let file = try AtomicFile(path: directory.file("a"))
            try file.write([1, 2, 3])
        }
        #expect(try directory.contents().isEmpty)
    }

    @Test func smallAndLargePiecesKeepTheirOrder() throws {
        let directory = try TemporaryDirectory()
        let file = try AtomicFile(path: directory.file("a"))
        var expected: [UInt8] = []
        for (index, length) in [1, 0, 700_000, 700_000, 3_000_000, 5, 1 << 20, 17].enumerated() {
            let piece = [UInt8](repeating: UInt8(index + 1), count: length)
            try file.write(piece)
            expected += piece
        }
        #expect(file.size == expected.count)
        try file.commit()
        #expect(try fileBytes(directory.file("a")) == expected)
    }

    @Test func holesReadAsZeros() throws {
        let directory = try TemporaryDirectory()
        let file = try AtomicFile(path: directory.file("a"))
        try file.write([1])
        try file.writeHole(1 << 33)
        try file.write([2])
        try file.commit()
        let mapped = try MappedFile.open(path: directory.file("a"))
        #expect(mapped.bytes.count == (1 << 33) + 2)
        #expect(mapped.bytes[0] == 1 && mapped.bytes[1 << 32] == 0 && mapped.bytes[(1 << 33) + 1] == 2)
    }

    @Test func refusalsLeaveNoTemporaryFile() throws {
        let directory = try TemporaryDirectory()
        expectRefused(.noSuchFile, containing: "missing/a") {
            _ = try AtomicFile(path: directory.file("missing/a"))
        }
        // A rename onto a directory fails after everything is written.
        try directory.directory("taken")
        expectRefused(.inputOutput, containing: "taken") {
            try AtomicFile.write("x", to: directory.file("taken"))
        }
        #expect(try directory.contents() == ["taken"])
        // A file larger than the file system can hold.
        expectRefused(.inputOutput, containing: "huge") {
            try AtomicFile(path: directory.file("huge")).writeHole(Int.max)
        }
        #expect(try directory.contents() == ["taken"])
    }
}
