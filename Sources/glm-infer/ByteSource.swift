internal import GLMFiles

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A file, a pipe or standard input, read from front to end.
final class ByteSource {
    /// The path, or `standard input`.
    let name: String
    private let descriptor: Int32
    /// Read but not yet given out.
    private var buffer: [UInt8] = []

    private init(name: String, descriptor: Int32) {
        self.name = name
        self.descriptor = descriptor
    }

    deinit { if descriptor != STDIN_FILENO { _ = close(descriptor) } }

    /// - Parameter path: `-` is standard input.
    static func open(_ path: String) throws(InputError) -> ByteSource {
        guard path != "-" else { return ByteSource(name: "standard input", descriptor: STDIN_FILENO) }
        let descriptor = openForReading(path)
        guard descriptor >= 0 else { throw InputError.system(errno, path: path, cannot: "open") }
        return ByteSource(name: path, descriptor: descriptor)
    }

    /// Everything up to the end.
    /// - Throws: an `InputError` when the system refuses, or for more than `limit` bytes.
    func readAll(limit: Int) throws(InputError) -> [UInt8] {
        while try fill() {
            guard buffer.count <= limit else {
                throw InputError(
                    .badInput, file: name, found: "more than \(limit) bytes", expected: "a shorter text")
            }
        }
        defer { buffer = [] }
        return buffer
    }

    /// The next line without its end, nil after the last.
    func readLine() throws(InputError) -> [UInt8]? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer.removeFirst(end + 1) }
                return Array(buffer[..<end])
            }
            guard try fill() else { break }
        }
        guard !buffer.isEmpty else { return nil }
        defer { buffer = [] }
        return buffer
    }

    /// Appends the next bytes; false at the end.
    private func fill() throws(InputError) -> Bool {
        var status: Int32 = 0
        let part = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { bytes, count in
            var result = 0
            repeat {
                result = unsafe read(descriptor, bytes.baseAddress, bytes.count)
            } while result < 0 && errno == EINTR
            status = result < 0 ? errno : 0
            count = max(result, 0)
        }
        guard status == 0 else { throw InputError.system(status, path: name, cannot: "read") }
        buffer += part
        return !part.isEmpty
    }
}

private func openForReading(_ path: String) -> Int32 { unsafe open(path, O_RDONLY | O_CLOEXEC) }
