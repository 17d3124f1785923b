// A conversion onto the disk: pieces to threads, files in their order. Knows no number.

package import GLMFiles
package import GLMKernels
package import GLMSynthesis
import GLMWeights

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes what a ``ConversionPlan`` says. A thread holds a few hundred kilobytes at a time, whatever a tensor's size.
package struct CheckpointConverter: Sendable {
    package let plan: ConversionPlan

    package init(_ plan: ConversionPlan) {
        self.plan = plan
    }

    /// Writes the converted checkpoint into `path`.
    ///
    /// - Parameters:
    ///   - replaces: whether a checkpoint that is there already is removed first.
    ///   - progress: called with bytes from several threads, out of order.
    /// - Throws: `usage` when the folder is the source or holds a checkpoint that must not be replaced; `inputOutput` when
    ///   the disk is too small or full; `badInput` naming tensor and place of a value that is not finite. Nothing of the
    ///   target is left then.
    package func write(
        to path: String, replaces: Bool, pool: ThreadPool,
        surroundings: StagedCheckpoint.Surroundings = .init(),
        progress: (@Sendable (WritingProgress) -> Void)? = nil
    ) throws(InputError) {
        try refuseSource(path)
        let files = plan.shards.map {
            StagedCheckpoint.WeightFile(
                name: $0.fileName, byteCount: $0.byteCount, occupiedCount: $0.byteCount)
        }
        let tally = WritingTally(total: plan.byteCount, report: progress)
        try StagedCheckpoint(weights: files, texts: try texts()).write(
            to: path, replaces: replaces, surroundings: surroundings
        ) { number, file throws(InputError) in
            try plan.shards[number].write(into: file, pool: pool) { tally.add($0) }
        }
    }

    /// The files beside the weights: copies, then the index, then `config.json`.
    private func texts() throws(InputError) -> [StagedCheckpoint.TextFile] {
        let directory = plan.checkpoint.directory
        let names = try Directory.names(in: directory)
        var texts: [StagedCheckpoint.TextFile] = []
        for name in OutputDirectory.companions where names.contains(name) {
            texts.append(
                .init(name: name, contents: .copy(try MappedFile.open(path: "\(directory)/\(name)"))))
        }
        if let index = plan.index {
            texts.append(.init(name: Checkpoint.indexName, contents: .bytes(Array(index.utf8))))
        }
        let configuration: StagedCheckpoint.TextFile.Contents =
            if let document = plan.configuration { .bytes(document.bytes(.indented)) } else {
                .copy(try MappedFile.open(path: "\(directory)/config.json"))
            }
        texts.append(.init(name: "config.json", contents: configuration))
        return texts
    }

    /// Replacing a checkpoint that is being read would destroy it.
    private func refuseSource(_ path: String) throws(InputError) {
        guard let target = Self.resolved(path) else { return }  // nothing there yet
        let sources =
            [plan.checkpoint.directory]
            + plan.checkpoint.files.compactMap { file in
                Self.resolved(file.path).map { $0.split(separator: "/").dropLast().joined(separator: "/") }
                    .map { "/" + $0 }
            }
        guard sources.contains(where: { Self.resolved($0) == target }) else { return }
        throw InputError(
            .usage, file: path, found: "the folder that is read", expected: "another folder",
            remedy: "convert into a new folder and remove the old one afterwards")
    }

    private static func resolved(_ path: String) -> String? {
        guard let name = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(name) }
        return unsafe String(cString: name)
    }
}
