// The small text that stands for a file in a clone made without Git LFS.

package enum GitLFSPointer {
    /// Refuses a file that is a pointer: `path` names it.
    package static func refuse(_ bytes: UnsafeRawBufferPointer, path: String) throws(InputError) {
        let beginning = "version https://git-lfs.github.com/spec/".utf8
        guard bytes.count < 4096, bytes.starts(with: beginning) else { return }
        throw InputError(
            .badInput, file: path, found: "this is a Git LFS pointer, not the file it stands for",
            remedy: "run git lfs pull")
    }
}
