// A directory of a test's own, gone with the test.

import Foundation

/// A fresh directory under the system's temporary directory, removed with its contents when the object goes.
///
/// Keep the object in a `let` for the whole test; `withExtendedLifetime` is not needed as long as it is used after
/// the last file is.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        let parent = FileManager.default.temporaryDirectory
        let url = parent.appendingPathComponent("glm-infer-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of `name` in the directory.
    package func file(_ name: String) -> String {
        path + "/" + name
    }

    /// Writes a file and returns its path.
    @discardableResult
    package func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    /// Writes a text file and returns its path.
    @discardableResult
    package func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    /// Makes a symbolic link to `target` (not resolved, may dangle) and returns its path.
    @discardableResult
    package func link(_ name: String, to target: String) throws -> String {
        try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: target)
        return file(name)
    }

    /// Makes a directory inside and returns its path.
    @discardableResult
    package func directory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
        return file(name)
    }

    /// The names of what is inside, sorted.
    package func contents() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }
}

/// The bytes of a file that a test expects to be there.
package func fileBytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
