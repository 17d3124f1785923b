// A file written out of order by several threads, that appears whole or not at all. Knows bytes only.

package import GLMFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The positional twin of `AtomicFile`: its size is known beforehand, and pieces may be written at any place
/// at once.
///
/// The disk space is reserved at the start where the file system can, so that a full disk is found out then.
package final class StagedFile: Sendable {
    private let path: String
    private let temporaryPath: String
    private let descriptor: Int32

    /// Begins a file of `size` bytes that will replace `path`.
    ///
    /// - Parameter reserves: false leaves holes where nothing is written.
    package init(path: String, size: Int, reserves: Bool) throws(InputError) {
        self.path = path
        temporaryPath = "\(path).\(getpid()).partial"
        descriptor = unsafe open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system(errno, path: path, cannot: "create the file") }
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw refusal() }
        #if canImport(Glibc) || canImport(Musl)
            let reserved = reserves && size > 0 ? posix_fallocate(descriptor, 0, off_t(size)) : 0
            if reserved != 0, reserved != EOPNOTSUPP, reserved != EINVAL {
                throw .system(reserved, path: path, cannot: "reserve \(size) bytes")
            }
        #endif
    }

    deinit {
        close(descriptor)
        unsafe unlink(temporaryPath)  // gone already after a commit
    }

    /// Writes `bytes` at `offset`.
    package func write(_ bytes: [UInt8], at offset: Int) throws(InputError) {
        try unsafe bytes.withUnsafeBufferPointer { piece throws(InputError) in
            try unsafe write(UnsafeRawBufferPointer(piece), at: offset)
        }
    }

    /// Writes `bytes` at `offset`. May be called from several threads at once.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(InputError) {
        var done = 0
        while done < bytes.count {
            let written = unsafe pwrite(
                descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done,
                off_t(offset + done))
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw refusal() }
            done += written
        }
    }

    /// Makes the file appear at its place with everything in it on the disk.
    package func commit() throws(InputError) {
        guard fsync(descriptor) == 0, unsafe rename(temporaryPath, path) == 0 else { throw refusal() }
    }

    private func refusal() -> InputError {
        .system(errno, path: path, cannot: "write")
    }
}
