// A synthetic checkpoint onto the disk. A kill at any moment leaves nothing that loads.

package import GLMFiles
package import GLMKernels
import Synchronization

/// Writes a synthetic model's shards and texts as a ``StagedCheckpoint``.
package struct CheckpointWriter: Sendable {
    /// What the tensors of a shard contain.
    package enum Contents: Sendable {
        /// The drawn numbers.
        case weights
        /// Holes: a header of the real size that takes no disk space.
        case holes
    }

    package typealias Surroundings = StagedCheckpoint.Surroundings
    package typealias Progress = WritingProgress

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
        let hasWeights = contents == .weights
        let tally = WritingTally(total: hasWeights ? plan.byteCount : plan.shards.count, report: progress)
        let files = plan.shards.map { shard in
            StagedCheckpoint.WeightFile(
                name: shard.fileName, byteCount: shard.byteCount,
                occupiedCount: hasWeights ? shard.byteCount : shard.header.count)
        }
        try StagedCheckpoint(weights: files, texts: texts()).write(
            to: path, replaces: replaces, surroundings: surroundings
        ) { number, file throws(InputError) in
            let shard = plan.shards[number]
            try file.write(shard.header, at: 0)
            switch contents {
            case .holes: tally.add(1)
            case .weights: try fill(shard, file, pool: pool, tally: tally)
            }
        }
    }

    // MARK: Parts

    /// The files beside the shards; the index comes last but one, `config.json` last.
    private func texts() -> [StagedCheckpoint.TextFile] {
        var texts = model.texts
        if plan.needsIndex {
            texts.insert(("model.safetensors.index.json", plan.index.bytes(.indented)), at: texts.count - 1)
        }
        return texts.map { StagedCheckpoint.TextFile(name: $0.name, contents: .bytes($0.bytes)) }
    }

    private func fill(
        _ shard: Shard, _ file: StagedFile, pool: ThreadPool, tally: WritingTally
    ) throws(InputError) {
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
}
