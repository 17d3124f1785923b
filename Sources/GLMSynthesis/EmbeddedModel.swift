// The model that comes with the program. Its weights are a function of a seed, so it is made, not shipped.

package import GLMFiles
import GLMKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The `nano` checkpoint in a cache folder, made at first use.
package enum EmbeddedModel {
    /// Seed of the weights.
    static let seed: UInt64 = 5
    /// Checksum of all its files. A change of the generator changes it, and with it the folder's name.
    package static let checksum: UInt64 = 0x1544_998B_320B_ABE6

    /// A folder that holds the model, complete and checked against `checksum`.
    ///
    /// Two processes may race: each builds in a folder of its own, one rename wins, and both get the same
    /// model.
    /// - Throws: `inputOutput` when no cache folder can be written.
    package static func directory() throws(InputError) -> String {
        try directory(caches: cacheFolders())
    }

    /// The same in the first of `caches` that can be written.
    package static func directory(caches: [String]) throws(InputError) -> String {
        var refusal = InputError(
            .inputOutput, found: "no folder for the built-in model", remedy: "name one with --model")
        for cache in caches {
            let place = "\(cache)/nano-\(String(checksum, radix: 16))"
            if isComplete(place) { return place }
            do throws(InputError) {
                try build(place)
                return place
            } catch { refusal = error }
        }
        throw refusal
    }

    /// Checksum of the files in `path`, names and contents, in the order of their names.
    package static func checksum(of path: String) -> UInt64? {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for name in OutputDirectory.names(in: path) {
            guard let file = try? MappedFile.open(path: "\(path)/\(name)") else { return nil }
            unsafe mix(Array(name.utf8).span.bytes, into: &hash)
            unsafe mix(RawSpan(_unsafeBytes: file.bytes), into: &hash)
        }
        return hash
    }

    // MARK: Parts

    private static func isComplete(_ place: String) -> Bool {
        checksum(of: place) == checksum
    }

    private static func build(_ place: String) throws(InputError) {
        let workshop = "\(place).\(getpid()).\(UInt32.random(in: .min ... .max)).partial"
        defer { discard(workshop) }
        let model = try SyntheticModel(.nano, format: .bfloat16, seed: seed)
        try CheckpointWriter(model, shards: 1).write(
            to: workshop, replaces: false, pool: ThreadPool(threads: 1))
        if unsafe rename(workshop, place) != 0 {
            if isComplete(place) { return }  // another process was faster
            discard(place)  // a damaged one is in the way
            guard unsafe rename(workshop, place) == 0 || isComplete(place) else {
                throw .system(errno, path: place, cannot: "make the built-in model", kind: .inputOutput)
            }
        }
    }

    /// Removes a folder of plain files.
    private static func discard(_ path: String) {
        for name in OutputDirectory.names(in: path) { unsafe unlink("\(path)/\(name)") }
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

    /// Eight bytes at a time; detects damage, not malice.
    private static func mix(_ bytes: RawSpan, into hash: inout UInt64) {
        var place = 0
        while place < bytes.byteCount {
            var word: UInt64 = 0
            if place + 8 <= bytes.byteCount {
                word = unsafe UInt64(
                    littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self))
            } else {
                for index in place..<bytes.byteCount {
                    word |=
                        UInt64(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
                        << ((index - place) * 8)
                }
            }
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
            place += 8
        }
        hash = (hash ^ UInt64(bytes.byteCount)) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
    }
}
