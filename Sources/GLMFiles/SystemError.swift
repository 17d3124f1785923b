// The operating system's refusals as InputError.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension InputError {
    /// The refusal `code` (an `errno`) of an operation on `path`.
    ///
    /// - Parameters:
    ///   - operation: an infinitive, as in "cannot open".
    ///   - kind: nil is `noSuchFile` where there is none, else `inputOutput`.
    package static func system(
        _ code: Int32, path: String, cannot operation: String, kind: Kind? = nil
    ) -> InputError {
        let kind = kind ?? (code == ENOENT || code == ENOTDIR ? .noSuchFile : .inputOutput)
        let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        return InputError(kind, file: path, found: "cannot \(operation): \(reason)", remedy: remedy(code))
    }

    private static func remedy(_ code: Int32) -> String? {
        switch code {
        case ENOSPC, EDQUOT: "free some disk space or write elsewhere"
        case EACCES, EPERM: "check the permissions"
        case EMFILE, ENFILE: "raise the limit on open files (ulimit -n)"
        default: nil
        }
    }
}
