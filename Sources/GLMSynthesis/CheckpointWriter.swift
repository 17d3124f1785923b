// A synthetic checkpoint onto the disk. A kill at any moment leaves nothing that loads.

package import GLMFiles
package import GLMKernels
import Synchronization

/// Writes shards, then texts, then the index, `config.json` last; each under a temporary name, synced and
/// renamed.
package struct CheckpointWriter: Sendable {
    /// What the tensors of a shard contain.
    package enum Contents: Sendable {
        /// The drawn numbers.
        case weights
        /// Holes: a header of the real size that takes no disk space.
        case holes
    }

    /// How far a writer is; both in bytes.
    package struct Progress: Sendable, Equatable {
        package let written: Int
        package let total: Int
    }

    /// What the surroundings say; tests say something else.
    package struct Surroundings: Sendable {
        /// Bytes that may be written where the path lies.
        package var freeBytes: @Sendable (String) throws(InputError) -> Int = OutputDirectory.freeBytes
        /// Called with each file's name before it appears; what it throws ends the writer there.
        package var beforeFile: @Sendable (String) throws(InputError) -> Void = { _ throws(InputError) in }

        package init() {}
    }

    package let model: SyntheticModel
    package let plan: ShardPlan
    package let contents: Contents

    /// Bytes handed out to a thread at once: the only memory a thread needs.
    static let piece = 1 << 20

    /// - Parameter shards: number of safetensors files; an index comes with more than one.
    package init(_ model: SyntheticModel, shards: Int, contents: Contents = .weights) throws(InputError) {
        self.model = model
        self.contents = contents
        plan = try ShardPlan(model.layout, count: shards)
    }

    /// Writes the checkpoint into `path`.
    ///
    /// - Parameter replaces: whether a checkpoint that is there already is removed first.
    /// - Throws: `usage` when one is there and must not be replaced, `inputOutput` when the disk is too
    ///   small or full.
    package func write(
        to path: String, replaces: Bool, pool: ThreadPool, surroundings: Surroundings = Surroundings(),
        progress: (@Sendable (Progress) -> Void)? = nil
    ) throws(InputError) {
        let directory = try OutputDirectory(path: path)
        let old = directory.checkpointFiles()
        guard old.isEmpty || replaces else {
            throw InputError(
                .usage, file: path, found: "\(old.count) files of a checkpoint (\(old[0]), …)",
                expected: "an empty folder",
                remedy: "choose another folder, or replace them with --force")
        }
        let texts = texts()
        try requireSpace(directory, texts: texts, freed: directory.occupied(by: old), surroundings)
        try directory.remove(old)
        do throws(InputError) {
            try writeFiles(directory, texts: texts, pool: pool, surroundings, progress)
        } catch {
            // Gigabytes that nothing can load must not stay on a disk that is full.
            try? directory.remove(directory.checkpointFiles())
            directory.giveUp()
            throw error
        }
    }

    // MARK: Parts

    private func writeFiles(
        _ directory: OutputDirectory, texts: [(name: String, bytes: [UInt8])], pool: ThreadPool,
        _ surroundings: Surroundings, _ progress: (@Sendable (Progress) -> Void)?
    ) throws(InputError) {
        let path = directory.path
        let tally = Tally(total: contents == .weights ? plan.byteCount : plan.shards.count, report: progress)
        for shard in plan.shards {
            try write(shard, to: path, pool: pool, tally: tally, surroundings)
        }
        try directory.synchronize()
        for (name, bytes) in texts {
            try surroundings.beforeFile(name)
            try AtomicFile.write(bytes, to: "\(path)/\(name)")
        }
    }

    /// The files beside the shards; the index comes last but one, `config.json` last.
    private func texts() -> [(name: String, bytes: [UInt8])] {
        var texts = model.texts
        if plan.needsIndex {
            texts.insert(("model.safetensors.index.json", plan.index.bytes(.indented)), at: texts.count - 1)
        }
        return texts
    }

    private func write(
        _ shard: Shard, to path: String, pool: ThreadPool, tally: Tally, _ surroundings: Surroundings
    ) throws(InputError) {
        let file = try StagedFile(
            path: "\(path)/\(shard.fileName)", size: shard.byteCount, reserves: contents == .weights)
        try unsafe shard.header.withUnsafeBufferPointer { bytes throws(InputError) in
            try unsafe file.write(UnsafeRawBufferPointer(bytes), at: 0)
        }
        switch contents {
        case .holes: tally.add(1)
        case .weights: try fill(shard, file, pool: pool, tally: tally)
        }
        try surroundings.beforeFile(shard.fileName)
        try file.commit()
    }

    private func fill(_ shard: Shard, _ file: StagedFile, pool: ThreadPool, tally: Tally) throws(InputError) {
        let filler = ShardFiller(shard, of: model)
        let size = CheckpointWriter.piece
        let failure = Mutex<InputError?>(nil)
        tally.add(shard.header.count)
        pool.parallel((shard.dataCount + size - 1) / size) { index in
            guard failure.withLock({ $0 == nil }) else { return }
            let start = index * size
            let count = min(size, shard.dataCount - start)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
            defer { unsafe buffer.deallocate() }
            unsafe filler.fill(buffer, from: start)
            do throws(InputError) {
                try unsafe file.write(UnsafeRawBufferPointer(buffer), at: shard.header.count + start)
                tally.add(count)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Refuses before anything is removed or written.
    private func requireSpace(
        _ directory: OutputDirectory, texts: [(name: String, bytes: [UInt8])], freed: Int,
        _ surroundings: Surroundings
    ) throws(InputError) {
        let weights = contents == .weights ? plan.byteCount : plan.shards.reduce(0) { $0 + $1.header.count }
        // A file takes whole blocks on the disk, and an entry in its folder.
        let blocks = (1 << 16) * (plan.shards.count + texts.count)
        let needed = weights + texts.reduce(blocks) { $0 + $1.bytes.count }
        let free = try surroundings.freeBytes(directory.path) + freed
        guard free >= needed else {
            directory.giveUp()
            throw InputError(
                .inputOutput, file: directory.path,
                found: "\(ByteCount(free)) free", expected: "\(ByteCount(needed)) for this checkpoint",
                remedy: "free some disk space or write elsewhere")
        }
    }
}

/// Counts bytes from several threads.
private final class Tally: Sendable {
    private let written = Atomic<Int>(0)
    private let total: Int
    private let report: (@Sendable (CheckpointWriter.Progress) -> Void)?

    init(total: Int, report: (@Sendable (CheckpointWriter.Progress) -> Void)?) {
        self.total = total
        self.report = report
    }

    func add(_ count: Int) {
        let (_, sum) = written.add(count, ordering: .relaxed)
        report?(CheckpointWriter.Progress(written: sum, total: total))
    }
}
