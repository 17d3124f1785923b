import GLMFiles
import GLMSynthesis
import GLMTestSupport
import Testing

@Suite struct EmbeddedModelTests {
    @Test func itIsMadeOnceAndFound() throws {
        let folder = try TemporaryDirectory()
        let path = try EmbeddedModel.directory(caches: [folder.file("cache")])
        #expect(EmbeddedModel.checksum(of: path) == EmbeddedModel.checksum)
        #expect(try EmbeddedModel.directory(caches: [folder.file("cache")]) == path)
        #expect(try fileNames(folder.file("cache")).count == 1)
    }

    @Test func aDamagedOneIsMadeAnew() throws {
        let folder = try TemporaryDirectory()
        let path = try EmbeddedModel.directory(caches: [folder.path])
        try folder.write("\(path.dropFirst(folder.path.count + 1))/config.json", "{}")
        #expect(EmbeddedModel.checksum(of: path) != EmbeddedModel.checksum)
        #expect(try EmbeddedModel.directory(caches: [folder.path]) == path)
        #expect(EmbeddedModel.checksum(of: path) == EmbeddedModel.checksum)
    }

    @Test func aFolderThatCannotBeWrittenIsPassedOver() throws {
        let folder = try TemporaryDirectory()
        let file = try folder.write("file", "not a folder")
        let path = try EmbeddedModel.directory(caches: [file + "/cache", folder.file("second")])
        #expect(path.hasPrefix(folder.file("second")))
        #expect(throws: InputError.self) { try EmbeddedModel.directory(caches: [file + "/cache"]) }
        #expect(throws: InputError.self) { try EmbeddedModel.directory(caches: []) }
    }

    @Test func racersAgree() async throws {
        let folder = try TemporaryDirectory()
        let cache = folder.file("cache")
        let paths = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<4 { group.addTask { try EmbeddedModel.directory(caches: [cache]) } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(paths.count == 1)
        #expect(try fileNames(cache).count == 1)
    }
}
