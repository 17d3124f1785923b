import Foundation
import GLMFiles
import GLMTestSupport
import GLMWeights
import Testing

struct SafetensorsWriterTests {
    @Test func readsBack() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("m.safetensors")
        let tensors = [
            TensorDescription("é\n", .float32, [2, 2]), TensorDescription("empty", .bfloat16, [0]),
            TensorDescription("b", .uint8, [3]),
        ]
        let writer = try SafetensorsWriter(
            path: path, tensors: tensors, metadata: [("format", "pt"), ("q", "\"")])
        #expect(writer.dataStart % 8 == 0)
        try writer.write([1, 2, 3, 4] as [Float])
        #expect(writer.remaining == 3)
        try writer.write([5, 6, 7] as [UInt8])
        #expect(try directory.contents().allSatisfy { $0.hasSuffix(".partial") })
        try writer.commit()
        #expect(try directory.contents() == ["m.safetensors"])
        let file = try SafetensorsFile.open(path: path)
        #expect(try file["é\n"]?.floats() == [1, 2, 3, 4])
        #expect(try file["b"]?.integers() == [5, 6, 7])
        #expect(file["empty"]?.shape == [0])
        #expect(file.metadata.map(\.value) == ["pt", "\""])
    }

    @Test func holesTakeNoSpace() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("m.safetensors")
        let writer = try SafetensorsWriter(
            path: path, tensors: [TensorDescription("a", .bfloat16, [1 << 20, 1 << 12])])
        try writer.writeHole()
        try writer.commit()
        let tensor = try SafetensorsFile.open(path: path)["a"]
        #expect(tensor?.count == 1 << 32)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_blocks < 1024)
    }

    @Test func abandonedWriterLeavesNothing() throws {
        let directory = try TemporaryDirectory()
        do {
            let writer = try SafetensorsWriter(
                path: directory.file("m.safetensors"), tensors: [TensorDescription("a", .uint8, [9])])
            try writer.write([1] as [UInt8])
        }
        #expect(try directory.contents().isEmpty)
    }

    @Test func aFileFromTheReferenceIsRewrittenByteForByteInItsData() throws {
        let directory = try TemporaryDirectory()
        let bytes = (0..<64).map { UInt8($0) }
        let description = TensorDescription("a.b", .float16, [4, 8])
        let writer = try SafetensorsWriter(path: directory.file("m"), tensors: [description], metadata: [])
        try writer.write(bytes)
        try writer.commit()
        let expected = rawSafetensors(
            #"{"a.b":{"dtype":"F16","shape":[4,8],"data_offsets":[0,64]}}"# + "     ", bytes)
        #expect(try fileBytes(directory.file("m")) == expected)
    }
}
