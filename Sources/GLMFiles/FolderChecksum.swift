// One number for the names and contents of some files.

/// Detects damage and change, not malice. Files are added in an order that both sides agree on.
package struct FolderChecksum {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func add(name: String, contents: UnsafeRawBufferPointer) {
        var name = name
        name.withUTF8 { mix(UnsafeRawBufferPointer($0)) }
        mix(contents)
    }

    /// Checksum of all files in `directory`, in byte order of their names; nil if one cannot be read.
    package static func of(_ directory: String) -> UInt64? {
        guard let names = try? Directory.names(in: directory) else { return nil }
        var checksum = FolderChecksum()
        for name in names {
            guard let file = try? MappedFile.open(path: directory + "/" + name) else { return nil }
            checksum.add(name: name, contents: file.bytes)
        }
        return checksum.value
    }

    /// Eight bytes at a time, the last ones padded with zeros, then the length.
    private mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        var place = 0
        while place + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
            place += 8
        }
        if place < bytes.count {
            mix(bytes[place...].reversed().reduce(0) { $0 << 8 | UInt64($1) })
        }
        value = (value ^ UInt64(bytes.count)) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 29
    }

    private mutating func mix(_ word: UInt64) {
        value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 32
    }
}
