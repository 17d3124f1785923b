// The folder a checkpoint is written into: one writer at a time, nothing overwritten by accident. Knows
// names, no contents.

package import GLMFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A folder held by one writer; the system lets go of it when the process ends, however it ends.
package final class OutputDirectory: Sendable {
    package let path: String
    private let descriptor: Int32
    private let isNew: Bool

    /// Makes the folder and its parents where they are missing, and holds it.
    ///
    /// - Throws: `inputOutput` when that is not possible, `usage` when another process is writing into it.
    package init(path: String) throws(InputError) {
        self.path = path
        isNew = try OutputDirectory.make(path)
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == ENOTDIR
                ? InputError(.usage, file: path, found: "a file", expected: "a folder, or nothing yet")
                : .system(errno, path: path, cannot: "open the folder")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw InputError(
                .usage, file: path, found: "another process writing into this folder",
                remedy: "wait for it to finish")
        }
    }

    deinit {
        close(descriptor)
    }

    /// Files of a checkpoint that are here already, those that make it loadable first.
    package func checkpointFiles() -> [String] {
        let names = OutputDirectory.names(in: path).filter(OutputDirectory.belongsToCheckpoint)
        return names.filter(OutputDirectory.makesLoadable)
            + names.filter { !OutputDirectory.makesLoadable($0) }
    }

    /// Bytes on the disk of the named files.
    package func occupied(by names: [String]) -> Int {
        names.reduce(0) { total, name in
            var status = stat()
            return unsafe lstat("\(path)/\(name)", &status) == 0 ? total + Int(status.st_blocks) * 512 : total
        }
    }

    /// Removes the named files in order, durably.
    package func remove(_ names: [String]) throws(InputError) {
        for name in names where unsafe unlink("\(path)/\(name)") != 0 && errno != ENOENT {
            throw .system(errno, path: "\(path)/\(name)", cannot: "remove")
        }
        try synchronize()
    }

    /// Takes the folder back if it was made for nothing.
    package func giveUp() {
        if isNew { unsafe rmdir(path) }
    }

    /// Puts renames and removals on the disk.
    package func synchronize() throws(InputError) {
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw .system(errno, path: path, cannot: "write the folder")
        }
    }

    /// Bytes that a user may still write on the file system that holds `path`.
    package static func freeBytes(_ path: String) throws(InputError) -> Int {
        var status = statvfs()
        guard unsafe statvfs(path, &status) == 0 else {
            throw .system(errno, path: path, cannot: "measure free space")
        }
        return Int(clamping: UInt64(status.f_bavail).multipliedFullWidth(by: UInt64(status.f_frsize)).low)
    }

    // MARK: Names

    private static func makesLoadable(_ name: String) -> Bool {
        name == "config.json" || name.hasSuffix(".index.json")
    }

    /// Files that may lie beside the weights of a checkpoint and say nothing about them.
    package static let companions = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
    ]

    /// Exactly what a writer here makes, and what one that was killed leaves.
    private static func belongsToCheckpoint(_ name: String) -> Bool {
        let texts = companions + ["config.json", "model.safetensors.index.json"]
        let isWeights = name.hasPrefix("model") && name.hasSuffix(".safetensors")
        let isLeftOver =
            name.hasSuffix(".partial") && (name.hasPrefix("model") || texts.contains(where: name.hasPrefix))
        return texts.contains(name) || isWeights || isLeftOver
    }

    /// Entries of a folder in ascending order; none if it cannot be read.
    static func names(in path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether the folder is new.
    @discardableResult
    private static func make(_ path: String) throws(InputError) -> Bool {
        if unsafe mkdir(path, 0o777) == 0 { return true }
        if errno == EEXIST { return false }
        let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
            separator: "/")
        guard errno == ENOENT, !parent.isEmpty else {
            throw .system(errno, path: path, cannot: "make the folder", kind: .inputOutput)
        }
        try make(parent)
        guard unsafe mkdir(path, 0o777) == 0 || errno == EEXIST else {
            throw .system(errno, path: path, cannot: "make the folder", kind: .inputOutput)
        }
        return true
    }
}
