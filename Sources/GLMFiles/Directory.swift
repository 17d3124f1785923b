// Making and listing directories.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

package enum Directory {
    /// Makes `path` and the directories above it that are missing.
    ///
    /// - Returns: whether the directory is new.
    /// - Throws: `badInput` where a file is in the way, `inputOutput` when the system refuses.
    @discardableResult
    package static func create(_ path: String) throws(InputError) -> Bool {
        if mkdir(path, 0o777) == 0 { return true }
        var code = errno
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
            separator: "/")
        if code == ENOENT, !parent.isEmpty {
            try create(parent)
            if mkdir(path, 0o777) == 0 { return true }
            code = errno
        }
        guard code == EEXIST else {
            // Its parents were made, or are no directories: nothing that was asked for is missing.
            throw .system(code, path: path, cannot: "make the directory", kind: .inputOutput)
        }
        guard exists(path) else {
            throw InputError(.badInput, file: path, found: "a file", expected: "a directory")
        }
        return false
    }

    /// Whether `path` is a directory, or a symbolic link to one.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in `directory`, without `.` and `..`, in byte order; a name that is not UTF-8 is left out.
    ///
    /// - Throws: `noSuchFile`, `badInput` for what is not a directory, `inputOutput`.
    package static func names(in directory: String) throws(InputError) -> [String] {
        guard let stream = opendir(directory) else {
            let code = errno
            if code == ENOTDIR {
                throw InputError(.badInput, file: directory, found: "a file", expected: "a directory")
            }
            throw .system(code, path: directory, cannot: "open the directory")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(validating: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let name, name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
