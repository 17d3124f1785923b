// The names in a directory.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

package enum DirectoryListing {
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
