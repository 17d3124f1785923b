// Files that appear whole or not at all.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file being written under a temporary name beside its place.
///
/// `commit()` syncs the contents, renames and syncs the directory; until then the place keeps what it had. An object
/// that goes without `commit()` removes its temporary file; a killed process leaves one that ends in `.partial`, which
/// no reader takes for the file. Every refusal of the system, a full disk included, is an `inputOutput` error.
package final class AtomicFile {
    private static let bufferSize = 1 << 20

    package let path: String
    private let temporaryPath: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    /// Bytes written so far, holes included.
    package private(set) var size = 0

    /// Begins a file that will replace `path`.
    package init(path: String) throws(InputError) {
        self.path = path
        let tag = UInt32.random(in: .min ... .max)
        temporaryPath = "\(path).\(String(tag, radix: 16)).partial"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system(errno, path: path, cannot: "create the file") }
    }

    deinit {
        abandon()
    }

    /// The whole file at once.
    package static func write(_ bytes: [UInt8], to path: String) throws(InputError) {
        let file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }

    /// The whole file at once, as UTF-8.
    package static func write(_ text: String, to path: String) throws(InputError) {
        try write(Array(text.utf8), to: path)
    }

    package func write(_ bytes: [UInt8]) throws(InputError) {
        try bytes.withUnsafeBufferPointer { piece throws(InputError) in
            try write(UnsafeRawBufferPointer(piece))
        }
    }

    /// Appends; small pieces are gathered, large ones go to the system as they are.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
        if bytes.count + buffer.count > Self.bufferSize { try flush() }
        if bytes.count >= Self.bufferSize {
            try send(bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
        size += bytes.count
    }

    /// Appends `count` zero bytes that take no disk space where the file system has holes.
    package func writeHole(_ count: Int) throws(InputError) {
        precondition(count >= 0, "a hole of \(count) bytes")
        try flush()
        let (total, overflow) = size.addingReportingOverflow(count)
        guard !overflow, ftruncate(descriptor, off_t(total)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
            throw failed("write")
        }
        size = total
    }

    /// Makes the file appear at its place, durably.
    package func commit() throws(InputError) {
        try flush()
        guard fsync(descriptor) == 0 else { throw failed("write") }
        let closed = close(descriptor)
        descriptor = -1
        guard closed == 0, rename(temporaryPath, path) == 0 else {
            let code = errno
            unlink(temporaryPath)
            throw .system(code, path: path, cannot: "write")
        }
        try Self.synchroniseDirectory(of: path)
    }

    private func abandon() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        unlink(temporaryPath)
    }

    private func failed(_ operation: String) -> InputError {
        let code = errno
        abandon()
        return .system(code, path: path, cannot: operation)
    }

    private func flush() throws(InputError) {
        try buffer.withUnsafeBufferPointer { piece throws(InputError) in
            try send(UnsafeRawBufferPointer(piece))
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func send(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let written = systemWrite(descriptor, piece)
            if written < 0, errno == EINTR { continue }
            guard written >= 0 else { throw failed("write") }
            rest = rest.dropFirst(written)
        }
    }

    private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    /// A rename lasts only once its directory is on the disk.
    private static func synchroniseDirectory(of path: String) throws(InputError) {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(errno, path: directory, cannot: "open the directory") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
            throw .system(errno, path: directory, cannot: "write the directory")
        }
    }
}
