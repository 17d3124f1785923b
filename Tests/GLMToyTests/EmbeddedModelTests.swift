import GLMFiles
import GLMTestSupport
import GLMToy
import Testing

@Suite struct EmbeddedModelTests {
    @Test func itIsWrittenOnceAndFound() throws {
        let folder = try TemporaryDirectory()
        let path = try EmbeddedModel.directory(caches: [folder.file("cache")])
        #expect(try EmbeddedModel.directory(caches: [folder.file("cache")]) == path)
        #expect(try Directory.names(in: folder.file("cache")).count == 1)
    }

    @Test func itIsTheFolderOfTheRepository() throws {
        let folder = try TemporaryDirectory()
        let path = try EmbeddedModel.directory(caches: [folder.path])
        let here = "/Tests/GLMToyTests/EmbeddedModelTests.swift"
        let source = String(#filePath.dropLast(here.count)) + "/Sources/CToyModel/Toy"
        let names = try Directory.names(in: source)
        #expect(try Directory.names(in: path) == names)
        #expect(names.contains("config.json") && names.contains("chat_template.jinja"))
        var size = 0
        for name in names {
            let bytes = try fileBytes("\(source)/\(name)")
            #expect(try fileBytes("\(path)/\(name)") == bytes, "\(name)")
            size += bytes.count
        }
        #expect(size <= 6_000_000)
    }

    @Test(arguments: ["config.json", "model.safetensors", "another"])
    func aDamagedOneIsWrittenAnew(_ name: String) throws {
        let folder = try TemporaryDirectory()
        let path = try EmbeddedModel.directory(caches: [folder.path])
        let before = FolderChecksum.of(path)
        try folder.write("\(path.dropFirst(folder.path.count + 1))/\(name)", "{}")
        #expect(FolderChecksum.of(path) != before)
        #expect(try EmbeddedModel.directory(caches: [folder.path]) == path)
        #expect(FolderChecksum.of(path) == before)
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
        #expect(try Directory.names(in: cache).count == 1)
    }
}
