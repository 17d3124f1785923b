import Foundation
import GLMFiles
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMTestSupport
import Synchronization
import Testing

@Suite struct CheckpointWriterTests {
    static func write(
        _ model: SyntheticModel, to path: String, shards: Int = 1, threads: Int = 1, replaces: Bool = false,
        _ surroundings: CheckpointWriter.Surroundings = .init()
    ) throws {
        try CheckpointWriter(model, shards: shards).write(
            to: path, replaces: replaces, pool: ThreadPool(threads: threads), surroundings: surroundings)
    }

    /// Committed checksums of whole folders: these must not change without a reason that belongs in the
    /// commit message.
    @Test(arguments: [
        (CheckpointFormat.bfloat16, UInt64(0xB19B_F6CD_9114_C677)), (.float8, 0x6967_709E_7B5F_A6AD),
        (.float32, 0x0037_79AF_B35F_ECB7),
    ])
    func sameSeedGivesTheSameBytes(_ format: CheckpointFormat, _ checksum: UInt64) throws {
        let folder = try TemporaryDirectory()
        try Self.write(SyntheticModel(.nano, format: format, seed: 1), to: folder.file("one"), threads: 2)
        #expect(FolderChecksum.of(folder.file("one")) == checksum)
        try Self.write(SyntheticModel(.nano, format: format, seed: 2), to: folder.file("two"))
        #expect(FolderChecksum.of(folder.file("two")) != checksum)
    }

    @Test(arguments: [2, 3, 7, 153]) func shardsHoldTheSameTensors(_ count: Int) throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: 4)
        try Self.write(model, to: folder.file("whole"))
        try Self.write(model, to: folder.file("parts"), shards: count)
        let names = try fileNames(folder.file("parts"))
        #expect(names.filter { $0.hasSuffix(".safetensors") }.count == count)
        let parts = try storedTensors(in: folder, "parts")
        #expect(parts == (try storedTensors(in: folder, "whole")))
        let index = try JSONDocument.load(
            path: folder.file("parts/model.safetensors.index.json"), limit: 1 << 20
        ).root
        #expect(index["metadata"]?["total_size"]?.integer == model.layout.byteCount)
        #expect(index["weight_map"]?.members?.count == model.layout.tensors.count)
    }

    @Test func shardCountsOutsideTheTensorsAreRefused() throws {
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: 4)
        for count in [0, -1, 154] {
            expectRefused(.usage, containing: "shards", "153") {
                _ = try CheckpointWriter(model, shards: count)
            }
        }
    }

    /// What is in the folder just before each file appears: what a kill at that moment leaves.
    @Test func aKillAtAnyMomentLeavesNothingThatLoads() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("model")
        let moments = Mutex<[(next: String, present: [String])]>([])
        var surroundings = CheckpointWriter.Surroundings()
        surroundings.beforeFile = { name throws(InputError) in
            let present = (try? fileNames(path)) ?? []
            moments.withLock { $0.append((name, present.filter { !$0.hasSuffix(".partial") })) }
        }
        try Self.write(SyntheticModel(.nano, format: .float8, seed: 4), to: path, shards: 2, surroundings)
        let order = moments.withLock { $0 }
        #expect(order.suffix(2).map(\.next) == ["model.safetensors.index.json", "config.json"])
        for (count, moment) in order.enumerated() {
            #expect(moment.present == order.prefix(count).map(\.next).sorted())
        }
        // Without config.json, the last to come, there is no model.
        _ = try GLMConfiguration.load(path: "\(path)/config.json")
        try FileManager.default.removeItem(atPath: "\(path)/config.json")
        expectRefused(.noSuchFile, containing: "config.json") {
            _ = try GLMConfiguration.load(path: "\(path)/config.json")
        }
    }

    /// Ends the writer with an error before each file in turn, as a full disk would.
    @Test func anErrorTakesEverythingBack() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .float8, seed: 4)
        for name in [
            "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer.json",
            "config.json",
        ] {
            var surroundings = CheckpointWriter.Surroundings()
            surroundings.beforeFile = { file throws(InputError) in
                if file == name { throw InputError(.inputOutput, found: "the end") }
            }
            let stop = surroundings
            expectRefused(.inputOutput, containing: "the end") {
                try Self.write(model, to: folder.file("stopped"), shards: 2, stop)
            }
            #expect(try fileNames(folder.path).isEmpty)
        }
        try Self.write(model, to: folder.file("stopped"), shards: 2)
        #expect(try storedTensors(in: folder, "stopped").count == model.layout.tensors.count)
    }

    @Test func replacingTakesTheOldModelApartFirst() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: 4)
        let path = folder.file("model")
        try Self.write(model, to: path, shards: 5)
        try folder.write("model/notes.txt", "mine")
        expectRefused(.usage, containing: "--force", "config.json") { try Self.write(model, to: path) }
        var surroundings = CheckpointWriter.Surroundings()
        surroundings.beforeFile = { _ throws(InputError) in throw InputError(.inputOutput, found: "the end") }
        let stop = surroundings
        expectRefused(.inputOutput, containing: "the end") {
            try Self.write(model, to: path, replaces: true, stop)
        }
        #expect(try fileNames(path) == ["notes.txt"])
        try Self.write(model, to: path)
        #expect(try fileNames(path).contains("model.safetensors"))
    }

    @Test func aShortDiskIsRefusedBeforehand() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: 4)
        var surroundings = CheckpointWriter.Surroundings()
        surroundings.freeBytes = { _ throws(InputError) in 1_900_000 }
        let short = surroundings
        expectRefused(.inputOutput, containing: "1.9 MB free", "expected 2.3 MB") {
            try Self.write(model, to: folder.file("new/deep"), short)
        }
        #expect(try fileNames(folder.file("new")).isEmpty)
        // What will be replaced counts as free, and is still there after a refusal.
        try Self.write(model, to: folder.file("old"))
        try Self.write(model, to: folder.file("old"), replaces: true, short)
        surroundings.freeBytes = { _ throws(InputError) in 1000 }
        let shorter = surroundings
        expectRefused(.inputOutput, containing: "free some disk space") {
            try Self.write(model, to: folder.file("old"), replaces: true, shorter)
        }
        #expect(try fileNames(folder.file("old")).contains("config.json"))
    }

    @Test func aFolderHasOneWriter() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: 4)
        let holder = try OutputDirectory(path: folder.file("model"))
        expectRefused(.usage, containing: "another process") { try Self.write(model, to: holder.path) }
        try folder.write("file", "")
        expectRefused(.usage, containing: "a file", "a folder") {
            try Self.write(model, to: folder.file("file"))
        }
    }

    @Test func holesHaveTheSizeAndTakeNoSpace() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.mid, format: .bfloat16, seed: 4)
        let writer = try CheckpointWriter(model, shards: 3, contents: .holes)
        try writer.write(to: folder.file("model"), replaces: false, pool: ThreadPool(threads: 1))
        let directory = try OutputDirectory(path: folder.file("model"))
        #expect(directory.occupied(by: try fileNames(directory.path)) < 4_000_000)
        #expect(writer.plan.byteCount > 2_000_000_000)
    }

    @Test func progressEndsAtTheTotal() throws {
        let folder = try TemporaryDirectory()
        let model = try SyntheticModel(.nano, format: .float32, seed: 4)
        let largest = Mutex<CheckpointWriter.Progress?>(nil)
        let writer = try CheckpointWriter(model, shards: 2)
        try writer.write(to: folder.file("model"), replaces: false, pool: ThreadPool(threads: 2)) { now in
            largest.withLock { if now.written > $0?.written ?? 0 { $0 = now } }
        }
        let last = try #require(largest.withLock { $0 })
        #expect(last.written == writer.plan.byteCount && last.total == last.written)
    }
}
