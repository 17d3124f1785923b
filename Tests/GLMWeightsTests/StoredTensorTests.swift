import GLMFiles
import GLMTestSupport
import GLMWeights
import Testing

struct StoredTensorTests {
    /// The header's length is odd, so that every tensor begins at an odd address.
    private func open(_ type: String, _ count: Int, _ data: [UInt8], in directory: TemporaryDirectory) throws
        -> StoredTensor
    {
        var header = #"{"a":{"dtype":"\#(type)","shape":[\#(count)],"data_offsets":[0,\#(data.count)]}}"#
        if header.utf8.count % 2 == 0 { header += " " }
        let path = try directory.write("\(type).safetensors", rawSafetensors(header, data))
        return try #require(try SafetensorsFile.open(path: path)["a"])
    }

    @Test func widensExactly() throws {
        let directory = try TemporaryDirectory()
        let values: [Float] = [1.5, -0.0, .infinity, 0x1p-149, 3.25]
        #expect(try open("F32", 5, floatBytes(values), in: directory).floats() == values)
        #expect(try open("BF16", 2, [0x80, 0x3f, 0x00, 0xc0], in: directory).floats() == [1, -2])
        #expect(try open("F8_E4M3", 3, [0x38, 0x7e, 0x81], in: directory).floats() == [1, 448, -0x1p-9])
    }

    #if arch(arm64) || os(Linux)
        @Test func allCodesOfFloat16() throws {
            let directory = try TemporaryDirectory()
            let codes = (0...0xffff).map { UInt16($0) }
            let bytes = codes.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
            let values = try open("F16", codes.count, bytes, in: directory).floats()
            for (code, value) in zip(codes, values) {
                let expected = Float(Float16(bitPattern: code))
                #expect(value == expected || (value.isNaN && expected.isNaN), "code \(code)")
                #expect(value.sign == expected.sign || expected.isNaN)
            }
        }
    #endif

    @Test func integers() throws {
        let directory = try TemporaryDirectory()
        #expect(try open("U8", 2, [0, 255], in: directory).integers() == [0, 255])
        #expect(try open("I8", 2, [0, 255], in: directory).integers() == [0, -1])
        #expect(try open("I32", 2, [255, 255, 255, 255, 1, 2, 0, 0], in: directory).integers() == [-1, 513])
        #expect(try open("I64", 1, littleEndian(1 << 63), in: directory).integers() == [Int.min])
        #expect(try open("BOOL", 2, [0, 1], in: directory).integers() == [0, 1])
    }

    @Test func otherTypesAreRefusedByName() throws {
        let directory = try TemporaryDirectory()
        let integer = try open("I32", 1, [0, 0, 0, 0], in: directory)
        expectRefused(containing: "tensor a", "I32", "BF16") { _ = try integer.floats() }
        let float = try open("F32", 1, [0, 0, 0, 0], in: directory)
        expectRefused(containing: "tensor a", "F32", "an integer type") { _ = try float.integers() }
    }
}
