import Foundation
import GLMFiles
import GLMTestSupport
import Testing

struct MappedFileTests {
    @Test func mapsWhatIsThere() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("a", Array(0...255))
        let file = try MappedFile.open(path: path)
        #expect(Array(file.bytes) == Array(0...255))
        #expect(try MappedFile.open(path: try directory.write("empty", "")).bytes.isEmpty)
    }

    @Test func followsLinksToRegularFiles() throws {
        let directory = try TemporaryDirectory()
        try directory.write("blob", "abc")
        try directory.link("one", to: "blob")
        #expect(try MappedFile.open(path: try directory.link("two", to: "one")).bytes.count == 3)
    }

    @Test func refusesWhatIsNotARegularFile() throws {
        let directory = try TemporaryDirectory()
        try directory.directory("inner")
        expectRefused(containing: "inner", "a directory") {
            _ = try MappedFile.open(path: directory.file("inner"))
        }
        let link = try directory.link("link", to: "inner")
        expectRefused(containing: "a directory", "regular file") { _ = try MappedFile.open(path: link) }
        let dangling = try directory.link("dangling", to: "nothing")
        expectRefused(.noSuchFile, containing: "a symbolic link to nothing") {
            _ = try MappedFile.open(path: dangling)
        }
        let circle = try directory.link("circle", to: "circle")
        expectRefused(.inputOutput, containing: "circle") { _ = try MappedFile.open(path: circle) }
        mkfifo(directory.file("fifo"), 0o600)
        expectRefused(containing: "a FIFO") { _ = try MappedFile.open(path: directory.file("fifo")) }
        expectRefused(containing: "a device") { _ = try MappedFile.open(path: "/dev/null") }
        expectRefused(.noSuchFile, containing: "No such file") {
            _ = try MappedFile.open(path: directory.file("none"))
        }
        expectRefused(.noSuchFile, containing: "cannot open") { _ = try MappedFile.open(path: "") }
    }
}
