// Files mapped into memory, read-only. Knows no format.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A regular file in memory, unmapped when the last reference goes.
///
/// Symbolic links are followed (the Hugging Face cache is made of them) and must end at a regular file. A file that
/// another process cuts short while it is mapped ends this one with SIGBUS, as with every mapping: writers must replace
/// files by renaming, as ``AtomicFile`` does.
package final class MappedFile: @unchecked Sendable {
    package let path: String
    /// The whole file, page aligned; empty for an empty file. Valid as long as this object.
    package let bytes: UnsafeRawBufferPointer

    // Sendable: both properties are constant and the pages are never written.
    private init(path: String, bytes: UnsafeRawBufferPointer) {
        self.path = path
        self.bytes = bytes
    }

    deinit {
        if let base = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: base), bytes.count)
        }
    }

    /// Maps the regular file at `path`.
    ///
    /// Asks for its kind before opening it, since opening a FIFO would wait for a writer.
    /// - Throws: `noSuchFile` for nothing or a dangling link, `badInput` for what is not a regular file,
    ///   `inputOutput` when the system refuses.
    package static func open(path: String) throws(InputError) -> MappedFile {
        var status = stat()
        guard stat(path, &status) == 0 else { throw missing(path, code: errno) }
        try requireRegular(status, path)
        let descriptor = systemOpen(path)
        guard descriptor >= 0 else { throw .system(errno, path: path, cannot: "open") }
        defer { close(descriptor) }
        guard fstat(descriptor, &status) == 0 else { throw .system(errno, path: path, cannot: "read") }
        try requireRegular(status, path)
        let size = Int(status.st_size)
        guard size > 0 else {
            return MappedFile(path: path, bytes: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        let pages = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let pages, pages != MAP_FAILED else {
            throw .system(errno, path: path, cannot: "map into memory")
        }
        #if os(Linux)
            // Where the file system can, a file that is not in memory yet is read into huge pages and mapped by them:
            // a thousand times fewer page faults. Advice only.
            madvise(pages, size, Int32(MADV_HUGEPAGE))
        #endif
        return MappedFile(path: path, bytes: UnsafeRawBufferPointer(start: pages, count: size))
    }

    private static func systemOpen(_ path: String) -> Int32 {
        #if canImport(Glibc)
            Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        #elseif canImport(Musl)
            Musl.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        #else
            Darwin.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        #endif
    }

    private static func missing(_ path: String, code: Int32) -> InputError {
        var status = stat()
        if code == ENOENT, lstat(path, &status) == 0 {
            return InputError(
                .noSuchFile, file: path, found: "a symbolic link to nothing", expected: "a regular file",
                remedy: "download the file again")
        }
        return .system(code, path: path, cannot: "open")
    }

    private static func requireRegular(_ status: stat, _ path: String) throws(InputError) {
        let found: String
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFDIR: found = "a directory"
        case S_IFIFO: found = "a FIFO"
        case S_IFSOCK: found = "a socket"
        default: found = "a device"
        }
        throw InputError(.badInput, file: path, found: found, expected: "a regular file")
    }
}
