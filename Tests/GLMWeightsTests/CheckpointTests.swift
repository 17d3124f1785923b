import Foundation
import GLMFiles
import GLMTestSupport
import GLMWeights
import Testing

/// A file of U8 tensors of one byte each.
private func file(_ names: String...) -> [UInt8] {
    let members = names.enumerated().map { index, name in
        #""\#(name)":{"dtype":"U8","shape":[1],"data_offsets":[\#(index),\#(index + 1)]}"#
    }
    return rawSafetensors("{\(members.joined(separator: ","))}", [UInt8](repeating: 7, count: names.count))
}

private func index(_ map: KeyValuePairs<String, String>) -> String {
    #"{"metadata":{},"weight_map":{\#(map.map { #""\#($0)":"\#($1)""# }.joined(separator: ","))}}"#
}

struct CheckpointTests {
    private let indexName = Checkpoint.indexName

    @Test func threeWaysToLieInADirectory() throws {
        let directory = try TemporaryDirectory()
        try directory.write("y.safetensors", file("c"))
        try directory.write("x.safetensors", file("b", "a"))
        #expect(try Checkpoint.open(directory: directory.path).tensors.map(\.name) == ["b", "a", "c"])
        try directory.write("model.safetensors", file("single"))
        #expect(try Checkpoint.open(directory: directory.path).tensors.map(\.name) == ["single"])
        try directory.write(
            indexName, index(["a": "x.safetensors", "b": "x.safetensors", "c": "y.safetensors"]))
        let checkpoint = try Checkpoint.open(directory: directory.path)
        #expect(checkpoint.tensors.map(\.name) == ["b", "a", "c"])
        #expect(checkpoint["c"]?.file == directory.file("y.safetensors"))
        #expect(checkpoint["d"] == nil)
    }

    /// Matrices of 128 KB and more, in formats that are multiplied as they are stored, but those that somebody else reads.
    @Test func largeMatricesAreFound() throws {
        let tensors = [
            ("small", "BF16", [255, 256]), ("words", "BF16", [256, 256]), ("wide", "F32", [2, 16_384]),
            ("codes", "F8_E4M3", [512, 256]), ("vector", "F32", [65_536]), ("bytes", "U8", [512, 256]),
            ("half", "F16", [256, 256]),
        ]
        let sizes = ["F32": 4, "BF16": 2, "F16": 2]
        var (members, end): ([String], Int) = ([], 0)
        for (name, type, shape) in tensors {
            let start = end
            end += shape.reduce(sizes[type] ?? 1, *)
            members.append(
                #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[\#(start),\#(end)]}"#)
        }
        let directory = try TemporaryDirectory()
        try directory.write(
            "model.safetensors",
            rawSafetensors("{\(members.joined(separator: ","))}", [UInt8](repeating: 0, count: end)))
        let checkpoint = try Checkpoint.open(directory: directory.path)
        #expect(checkpoint.matrices(besides: []).count == 3)
        #expect(checkpoint.matrices(besides: ["words", "other"]).count == 2)
        let words = try #require(checkpoint.tensors.firstIndex { $0.name == "words" })
        #expect(checkpoint.matrices(besides: [], copied: [words]).count == 2)
    }

    @Test func directoriesWithoutAModel() throws {
        let directory = try TemporaryDirectory()
        expectRefused(.noSuchFile, containing: "an empty directory", "model.safetensors") {
            _ = try Checkpoint.open(directory: directory.path)
        }
        try directory.write("config.json", "{}")
        expectRefused(.noSuchFile, containing: "no safetensors file") {
            _ = try Checkpoint.open(directory: directory.path)
        }
        expectRefused(.noSuchFile, containing: "missing", "No such file") {
            _ = try Checkpoint.open(directory: directory.file("missing"))
        }
        expectRefused(containing: "config.json: a file; expected a directory") {
            _ = try Checkpoint.open(directory: directory.file("config.json"))
        }
        try directory.write("a.safetensors.12.partial", file("a"))
        expectRefused(.noSuchFile, containing: "no safetensors file") {
            _ = try Checkpoint.open(directory: directory.path)
        }
    }

    @Test(arguments: [
        "../x.safetensors", "/etc/passwd", "", ".", "..", "a/x.safetensors", "x.safetensors\\u0000", "a\\\\b",
        "x\\n",
        "./x.safetensors",
    ])
    func indexEntriesArePlainNames(_ name: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("x.safetensors", file("a"))
        try directory.write(indexName, index(["a": name]))
        expectRefused(containing: indexName, "weight_map: a", "plain name") {
            _ = try Checkpoint.open(directory: directory.path)
        }
    }

    @Test func indexAndFilesMustAgree() throws {
        let directory = try TemporaryDirectory()
        try directory.write("x.safetensors", file("a"))
        try directory.write("y.safetensors", file("b"))
        func refused(
            _ map: KeyValuePairs<String, String>, _ part: String, _ kind: InputError.Kind = .badInput
        ) throws {
            try directory.write(indexName, index(map))
            expectRefused(kind, containing: part) { _ = try Checkpoint.open(directory: directory.path) }
        }
        try refused(["a": "x.safetensors", "b": "x.safetensors"], "1 tensors that their files lack: b")
        try refused(
            ["a": "y.safetensors", "b": "x.safetensors"], "a tensor of this file; expected y.safetensors")
        try refused(["a": "x.safetensors", "b": "y.safetensors", "c": "y.safetensors"], "lack: c")
        try directory.write("y.safetensors", file("b", "extra"))
        try refused(
            ["a": "x.safetensors", "b": "y.safetensors"], "1 tensors of the files are not in it: extra")
        try refused(["a": "x.safetensors", "b": "z.safetensors"], "z.safetensors", .noSuchFile)
        try refused([:], "no tensor in it")
        try directory.write("y.safetensors", file("b", "a"))
        try refused(
            ["a": "x.safetensors", "b": "y.safetensors"],
            "a tensor that \(directory.file("x.safetensors")) has too")
        try directory.write("y.safetensors", file("b"))
        try directory.write(indexName, index(["a": "x.safetensors", "b": "y.safetensors"]))
        #expect(try Checkpoint.open(directory: directory.path).tensors.count == 2)
    }

    @Test(arguments: [
        ("{}", "weight_map: nothing"), (#"{"weight_map":[]}"#, "weight_map: array"),
        ("[]", "weight_map: nothing"),
        (#"{"weight_map":{"a":1}}"#, "weight_map: a"), (#"{"weight_map":{"a":"x","a":"y"}}"#, "second time"),
        (#"{"weight_map":{"a":"x"},}"#, "byte 24"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ])
    func malformedIndex(_ text: String, _ part: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write(indexName, text)
        expectRefused(containing: indexName, part) { _ = try Checkpoint.open(directory: directory.path) }
    }

    @Test func linksAsInTheHuggingFaceCache() throws {
        let cache = try TemporaryDirectory()
        let blobs = try cache.directory("blobs")
        try file("a").withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: blobs + "/4d7a")) }
        let snapshot = try cache.directory("snapshots")
        try cache.link("snapshots/model.safetensors", to: "../blobs/4d7a")
        #expect(try Checkpoint.open(directory: snapshot).tensors.count == 1)
        try cache.link("again", to: "snapshots")
        #expect(try Checkpoint.open(directory: cache.file("again")).tensors.count == 1)
    }

    @Test func linksThatEndElsewhere() throws {
        let directory = try TemporaryDirectory()
        try directory.link("model.safetensors", to: "nothing")
        expectRefused(.noSuchFile, containing: "model.safetensors", "symbolic link to nothing") {
            _ = try Checkpoint.open(directory: directory.path)
        }
        let other = try TemporaryDirectory()
        try other.directory("inner")
        try other.link("model.safetensors", to: "inner")
        expectRefused(containing: "a directory; expected a regular file") {
            _ = try Checkpoint.open(directory: other.path)
        }
        let third = try TemporaryDirectory()
        mkfifo(third.file("model.safetensors"), 0o600)
        expectRefused(containing: "a FIFO; expected a regular file") {
            _ = try Checkpoint.open(directory: third.path)
        }
        let fourth = try TemporaryDirectory()
        try fourth.link(indexName, to: "nothing")
        expectRefused(.noSuchFile, containing: indexName) { _ = try Checkpoint.open(directory: fourth.path) }
    }

    @Test func writtenIndexReadsBack() throws {
        let directory = try TemporaryDirectory()
        let map: [(name: ByteString, file: String)] = [("z\"", "y.safetensors"), ("a", "x.safetensors")]
        let path = try directory.write(indexName, CheckpointIndex.text(map, totalSize: 12))
        let index = try CheckpointIndex.load(path: path)
        #expect(
            index.weightMap.map(\.name) == ["z\"", "a"] && index.files == ["x.safetensors", "y.safetensors"])
    }
}
