// How much a directory's file system can still take.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

package enum DiskSpace {
    /// Bytes that a process without privileges may still write in `directory`.
    package static func available(in directory: String) throws(InputError) -> Int {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else {
            throw .system(errno, path: directory, cannot: "look at")
        }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(
            by: UInt64(status.f_frsize))
        return overflow ? .max : Int(clamping: bytes)
    }

    /// Refuses, with both numbers, when less than `bytes` are left in `directory`.
    package static func require(_ bytes: Int, in directory: String) throws(InputError) {
        let left = try available(in: directory)
        guard left >= bytes else {
            throw InputError(
                .inputOutput, file: directory, found: "\(left) bytes free", expected: "at least \(bytes)",
                remedy: "free some disk space or write elsewhere")
        }
    }
}
