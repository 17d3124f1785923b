// The trained model that the program carries, as a folder that everything can read. Knows no format.

internal import CToyModel
package import GLMFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The toy's checkpoint, written into a cache folder at first use.
package enum EmbeddedModel {
    /// A folder that holds the model; its files equal, byte for byte, what the program carries.
    ///
    /// Two processes may race: each builds in a folder of its own, one rename wins, and both get the same
    /// model. Versions of the program with other models use other folders.
    /// - Throws: `inputOutput` when no cache folder can be written.
    package static func directory() throws(InputError) -> String {
        try directory(caches: cacheFolders())
    }

    /// The same in the first of `caches` that can be written.
    package static func directory(caches: [String]) throws(InputError) -> String {
        var refusal = InputError(
            .inputOutput, found: "no folder for the built-in model", remedy: "name one with --model")
        let files = (0..<c_toy_file_count()).map { unsafe EmbeddedFile(c_toy_file($0)) }
        var checksum = FolderChecksum()
        for file in files { unsafe checksum.add(name: file.name, contents: file.bytes) }
        for cache in caches {
            let place = "\(cache)/toy-\(String(checksum.value, radix: 16))"
            if isComplete(place, files) { return place }
            do throws(InputError) {
                try build(place, files)
                return place
            } catch { refusal = error }
        }
        throw refusal
    }

    // MARK: Parts

    private static func isComplete(_ place: String, _ files: [EmbeddedFile]) -> Bool {
        guard (try? Directory.names(in: place)) == files.map(\.name) else { return false }
        return files.allSatisfy { $0.isWritten(in: place) }
    }

    private static func build(_ place: String, _ files: [EmbeddedFile]) throws(InputError) {
        let workshop = "\(place).\(getpid()).\(UInt32.random(in: .min ... .max)).partial"
        defer { discard(workshop) }
        try Directory.create(workshop)
        for file in files { try file.write(into: workshop) }
        if unsafe rename(workshop, place) != 0 {
            if isComplete(place, files) { return }  // another process was faster
            discard(place)  // a damaged one is in the way
            guard unsafe rename(workshop, place) == 0 || isComplete(place, files) else {
                throw .system(errno, path: place, cannot: "make the built-in model", kind: .inputOutput)
            }
        }
    }

    /// Removes a folder of plain files, if it is there.
    private static func discard(_ path: String) {
        for name in (try? Directory.names(in: path)) ?? [] { unsafe unlink("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    /// `$XDG_CACHE_HOME/glm-infer`, `~/.cache/glm-infer`, then a folder of this user among the temporary
    /// files.
    private static func cacheFolders() -> [String] {
        var folders: [String] = []
        if let cache = variable("XDG_CACHE_HOME"), cache.hasPrefix("/") {
            folders.append("\(cache)/glm-infer")
        } else if let home = variable("HOME"), home.hasPrefix("/") {
            folders.append("\(home)/.cache/glm-infer")
        }
        return folders + ["\(variable("TMPDIR") ?? "/tmp")/glm-infer-\(getuid())"]
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// A file that the program carries. Its bytes are constant and stay as long as the process.
@safe private struct EmbeddedFile {
    let name: String
    let bytes: UnsafeRawBufferPointer

    init(_ file: CToyFile) {
        name = unsafe String(cString: file.name)
        unsafe bytes = UnsafeRawBufferPointer(start: file.bytes, count: file.count)
    }

    func isWritten(in directory: String) -> Bool {
        guard let file = try? MappedFile.open(path: directory + "/" + name),
            unsafe file.bytes.count == bytes.count
        else { return false }
        guard let its = unsafe file.bytes.baseAddress, let ours = unsafe bytes.baseAddress else {
            return true
        }
        return unsafe memcmp(its, ours, bytes.count) == 0
    }

    func write(into directory: String) throws(InputError) {
        let file = try AtomicFile(path: directory + "/" + name)
        unsafe try file.write(bytes)
        try file.commit()
    }
}
