// Symbolic links. Knows nothing of what they point to.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

package enum SymbolicLink {
    /// Makes `path` a link to the existing file or folder `target`, by its absolute path; replaces a link that is there.
    ///
    /// - Throws: `noSuchFile` when there is no `target`; `inputOutput` when `path` is something else than a link or the
    ///   system refuses.
    package static func replace(at path: String, with target: String) throws(InputError) {
        guard let resolved = realpath(target, nil) else {
            throw .system(errno, path: target, cannot: "find the folder")
        }
        defer { free(resolved) }
        try remove(path)
        guard symlink(resolved, path) == 0 else { throw .system(errno, path: path, cannot: "make the link") }
    }

    /// Removes a link; nothing at `path` is fine, anything but a link is refused.
    package static func remove(_ path: String) throws(InputError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFLNK else {
            throw InputError(
                .inputOutput, file: path, found: "something that is not a symbolic link",
                expected: "a link or nothing",
                remedy: "choose another folder")
        }
        guard unlink(path) == 0 else { throw .system(errno, path: path, cannot: "remove the link") }
    }
}
