import GLMFiles
import GLMTestSupport
import GLMWeights
import Testing

private func read(_ bytes: [UInt8]) throws -> SafetensorsHeader {
    try bytes.withUnsafeBytes { try SafetensorsHeader(of: $0, path: "m.safetensors") }
}

/// One tensor called `a`.
private func one(_ dtype: String, _ shape: String, _ offsets: String) -> String {
    #"{"a":{"dtype":\#(dtype),"shape":\#(shape),"data_offsets":\#(offsets)}}"#
}

struct SafetensorsHeaderTests {
    private let good = rawSafetensors(
        #"{"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"#
            + #""a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"#
            + #""e":{"shape":[0,5],"data_offsets":[8,8],"dtype":"F32"},"#
            + #""s":{"dtype":"BF16","shape":[],"data_offsets":[11,13]}}   "#,
        [UInt8](0..<13))

    @Test func readsInOrderOfPlace() throws {
        let header = try read(good)
        let start = good.count - 13
        #expect(header.entries.map(\.name) == ["a", "e", "b", "s"])
        #expect(
            header.entries.map(\.range) == [
                start..<start + 8, start + 8..<start + 8, start + 8..<start + 11, start + 11..<start + 13,
            ])
        #expect(header.entries.map(\.shape) == [[2, 1], [0, 5], [3], []])
        #expect(header.entries.map(\.type) == [.float32, .float32, .uint8, .bfloat16])
        #expect(header.metadata.map(\.key) == ["format"] && header.metadata.map(\.value) == ["pt"])
    }

    @Test func noTensorsAtAll() throws {
        #expect(try read(rawSafetensors("{}")).entries.isEmpty)
        expectRefused(containing: "1 bytes after the last tensor") { _ = try read(rawSafetensors("{}", [0])) }
    }

    @Test func truncatedAnywhereIsRefused() {
        for length in 0..<good.count {
            expectRefused(containing: "m.safetensors") { _ = try read(Array(good.prefix(length))) }
        }
        expectRefused(containing: "1 bytes after the last tensor") { _ = try read(good + [0]) }
    }

    @Test(
        arguments: [
            100_000_001, 1 << 32, 1 << 62, 1 << 63, UInt64.max, UInt64.max - 7,
        ] as [UInt64])
    func oversizedHeaderLength(_ length: UInt64) {
        expectRefused(containing: "a header of \(length) bytes", "at most 100000000") {
            _ = try read(littleEndian(length) + Array("{}".utf8))
        }
    }

    @Test func headerBeyondTheFile() {
        expectRefused(containing: "a header of 3 bytes in a file of 10") {
            _ = try read(littleEndian(3) + Array("{}".utf8))
        }
        expectRefused(containing: "header: byte 0", "empty text") { _ = try read(littleEndian(0)) }
        expectRefused(containing: "0 bytes", "download") { _ = try read([]) }
    }

    @Test(arguments: [
        (one("\"F32\"", "[2]", "[0,7]"), "7 bytes; expected 8"),
        (one("\"F32\"", "[1]", "[0,8]"), "8 bytes; expected 4"),
        (one("\"F33\"", "[2]", "[0,8]"), "dtype \"F33\""), (one("\"F4\"", "[16]", "[0,8]"), "dtype \"F4\""),
        (one("\"f32\"", "[2]", "[0,8]"), "dtype \"f32\""), (one("4", "[2]", "[0,8]"), "dtype number"),
        (one("\"F32\"", "[-2]", "[0,8]"), "dimension -2"),
        (one("\"F32\"", "[2.0]", "[0,8]"), "dimension 2.0"),
        (one("\"F32\"", "[\"2\"]", "[0,8]"), "dimension string"), (one("\"F32\"", "2", "[0,8]"), "number"),
        (one("\"F32\"", "[9223372036854775808]", "[0,8]"), "dimension 9223372036854775808"),
        (one("\"F32\"", "[9223372036854775807]", "[0,8]"), "beyond 2^63"),
        (one("\"F32\"", "[4611686018427387904,4]", "[0,8]"), "beyond 2^63"),
        (one("\"U8\"", "[4294967296,4294967296]", "[0,8]"), "beyond 2^63"),
        (one("\"F64\"", "[2305843009213693953]", "[0,8]"), "beyond 2^63"),
        (one("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), "17 dimensions"),
        (one("\"F32\"", "[2]", "[8,0]"), "no range"), (one("\"F32\"", "[2]", "[-8,0]"), "no range"),
        (one("\"F32\"", "[2]", "[0]"), "no range"), (one("\"F32\"", "[2]", "[0,8,16]"), "no range"),
        (one("\"F32\"", "[2]", "{}"), "no range"), (one("\"F32\"", "[2]", "[0,8.0]"), "no range"),
        (one("\"F32\"", "[4]", "[0,16]"), "bytes up to 16 of 8"),
        (
            one("\"F32\"", "[2]", "[9223372036854775800,9223372036854775807]"),
            "bytes up to 9223372036854775807 of 8"
        ),
        (one("\"F32\"", "[1]", "[4,8]"), "a hole of 4 bytes"),
        (one("\"F32\"", "[1]", "[0,4]"), "4 bytes after"),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, "exactly dtype"), (#"{"a":7}"#, "number; expected exactly"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "other members"),
        (#"{"__metadata__":{"a":1}}"#, "__metadata__"), (#"{"__metadata__":[]}"#, "an object of strings"),
        ("[]", "array; expected an object"), ("{\"a\":{}", "header: byte"), ("\u{feff}{}", "byte order mark"),
    ])
    func refuses(_ header: String, _ part: String) {
        expectRefused(containing: "m.safetensors", part) {
            _ = try read(rawSafetensors(header, [UInt8](repeating: 0, count: 8)))
        }
    }

    @Test func theSameWithoutTheFaultIsAccepted() throws {
        _ = try read(rawSafetensors(one("\"F32\"", "[2]", "[0,8]"), [UInt8](repeating: 0, count: 8)))
        _ = try read(
            rawSafetensors(
                one("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,8]"), [UInt8](repeating: 0, count: 8))
        )
        _ = try read(rawSafetensors(one("\"F32\"", "[0,4611686018427387904]", "[0,0]")))
    }

    @Test func overlap() {
        func two(_ first: String, _ second: String) -> String {
            #"{"a":{"dtype":"U8","shape":[5],"data_offsets":\#(first)},"b":{"dtype":"U8","shape":[5],"data_offsets":\#(second)}}"#
        }
        let data = [UInt8](repeating: 0, count: 10)
        #expect(throws: Never.self) { try read(rawSafetensors(two("[0,5]", "[5,10]"), data)) }
        #expect(throws: Never.self) { try read(rawSafetensors(two("[5,10]", "[0,5]"), data)) }
        expectRefused(containing: "tensor b: begins 1 bytes before the end of a") {
            _ = try read(rawSafetensors(two("[0,5]", "[4,9]"), data))
        }
        expectRefused(containing: "tensor b: begins 5 bytes before the end of a") {
            _ = try read(rawSafetensors(two("[0,5]", "[0,5]"), data))
        }
    }

    @Test func duplicateNames() {
        let member = #""a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        expectRefused(containing: "\"a\" a second time") {
            _ = try read(rawSafetensors("{\(member),\(member)}"))
        }
        expectRefused(containing: "a second time") {
            _ = try read(rawSafetensors("{\(member),\(member.replacing("\"a\"", with: #""\u0061""#))}"))
        }
    }

    @Test func canonicallyEqualNamesAreKeptApart() throws {
        let info = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
        let header = try read(rawSafetensors("{\"\u{e9}\":\(info),\"e\u{301}\":\(info)}"))
        #expect(Set(header.entries.map(\.name)) == ["\u{e9}", "e\u{301}"])
    }

    @Test func hostileNesting() {
        let deep = String(repeating: "[", count: 1_000_000)
        expectRefused(containing: "header: byte", "128 levels") {
            _ = try read(rawSafetensors("{\"a\":\(deep)"))
        }
    }

    @Test func longNames() throws {
        func header(_ length: Int) -> [UInt8] {
            let name = String(repeating: "n", count: length)
            return rawSafetensors("{\"\(name)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")
        }
        _ = try read(header(1024))
        expectRefused(containing: "a name of 1025 bytes") { _ = try read(header(1025)) }
    }

    @Test func gitLFSPointer() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
        expectRefused(containing: "Git LFS pointer", "git lfs pull") { _ = try read(Array(pointer.utf8)) }
    }

    @Test func namesInErrorsStayOnOneLine() {
        let info = #"{"dtype":"U9","shape":[0],"data_offsets":[0,0]}"#
        expectRefused(containing: #"a\u{a}\u{1b}[31mb"#) {
            _ = try read(rawSafetensors(#"{"a\n\u001b[31mb":\#(info)}"#))
        }
    }
}
