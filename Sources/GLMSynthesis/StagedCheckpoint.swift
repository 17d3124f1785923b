// A checkpoint's files onto the disk in an order that makes a half-written folder useless. Knows no contents.

package import GLMFiles
import Synchronization

/// The files of a checkpoint before they are written: weights first, then texts, each under a temporary name, synced
/// and renamed.
///
/// A kill at any moment leaves nothing that loads, because the index comes last but one and `config.json` last.
package struct StagedCheckpoint {
    /// A safetensors file of known size.
    package struct WeightFile: Sendable {
        package let name: String
        /// Length of the file.
        package let byteCount: Int
        /// What it takes on the disk: less than its length when it has holes.
        package let occupiedCount: Int

        package init(name: String, byteCount: Int, occupiedCount: Int) {
            self.name = name
            self.byteCount = byteCount
            self.occupiedCount = occupiedCount
        }
    }

    /// A file beside the weights.
    package struct TextFile: Sendable {
        package enum Contents: Sendable {
            case bytes([UInt8])
            case copy(MappedFile)
        }

        package let name: String
        package let contents: Contents

        package init(name: String, contents: Contents) {
            self.name = name
            self.contents = contents
        }

        var byteCount: Int {
            switch contents {
            case .bytes(let bytes): bytes.count
            case .copy(let file): unsafe file.bytes.count
            }
        }
    }

    /// What the surroundings say; tests say something else.
    package struct Surroundings: Sendable {
        /// Bytes that may be written where the path lies.
        package var freeBytes: @Sendable (String) throws(InputError) -> Int = OutputDirectory.freeBytes
        /// Called with each file's name before it appears; what it throws ends the writer there.
        package var beforeFile: @Sendable (String) throws(InputError) -> Void = { _ throws(InputError) in }

        package init() {}
    }

    private let weights: [WeightFile]
    private let texts: [TextFile]

    /// - Parameter texts: in the order of their appearance.
    /// - Precondition: the last text is `config.json`.
    package init(weights: [WeightFile], texts: [TextFile]) {
        precondition(texts.last?.name == "config.json", "the last file is \(texts.last?.name ?? "missing")")
        self.weights = weights
        self.texts = texts
    }

    /// Writes all files into `path`.
    ///
    /// - Parameters:
    ///   - replaces: whether a checkpoint that is there already is removed first.
    ///   - fill: writes the contents of the weight file of the given number, from the first byte to the last.
    /// - Throws: `usage` when a checkpoint is there and must not be replaced, `inputOutput` when the disk is too small or
    ///   full, and what `fill` throws; then nothing of this checkpoint is left.
    package func write(
        to path: String, replaces: Bool, surroundings: Surroundings,
        fill: (_ number: Int, _ file: StagedFile) throws(InputError) -> Void
    ) throws(InputError) {
        let directory = try OutputDirectory(path: path)
        let old = directory.checkpointFiles()
        guard old.isEmpty || replaces else {
            throw InputError(
                .usage, file: path, found: "\(old.count) files of a checkpoint (\(old[0]), …)",
                expected: "an empty folder",
                remedy: "choose another folder, or replace them with --force")
        }
        try requireSpace(directory, freed: directory.occupied(by: old), surroundings)
        try directory.remove(old)
        do throws(InputError) {
            try writeFiles(directory, surroundings, fill)
        } catch {
            // Gigabytes that nothing can load must not stay on a disk that is full.
            try? directory.remove(directory.checkpointFiles())
            directory.giveUp()
            throw error
        }
    }

    private func writeFiles(
        _ directory: OutputDirectory, _ surroundings: Surroundings,
        _ fill: (_ number: Int, _ file: StagedFile) throws(InputError) -> Void
    ) throws(InputError) {
        for (number, weight) in weights.enumerated() {
            let file = try StagedFile(
                path: "\(directory.path)/\(weight.name)", size: weight.byteCount,
                reserves: weight.occupiedCount == weight.byteCount)
            try fill(number, file)
            try surroundings.beforeFile(weight.name)
            try file.commit()
        }
        try directory.synchronize()
        for text in texts {
            try surroundings.beforeFile(text.name)
            let file = try AtomicFile(path: "\(directory.path)/\(text.name)")
            switch text.contents {
            case .bytes(let bytes): try file.write(bytes)
            case .copy(let source): unsafe try file.write(source.bytes)
            }
            try file.commit()
        }
    }

    /// Refuses before anything is removed or written.
    private func requireSpace(
        _ directory: OutputDirectory, freed: Int, _ surroundings: Surroundings
    ) throws(InputError) {
        // A file takes whole blocks on the disk, and an entry in its folder.
        let blocks = (1 << 16) * (weights.count + texts.count)
        let needed =
            weights.reduce(blocks) { $0 + $1.occupiedCount } + texts.reduce(0) { $0 + $1.byteCount }
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

/// How far a writer is; both in the same unit.
package struct WritingProgress: Sendable, Equatable {
    package let written: Int
    package let total: Int
}

/// Counts what several threads have written.
package final class WritingTally: Sendable {
    private let written = Atomic<Int>(0)
    private let total: Int
    private let report: (@Sendable (WritingProgress) -> Void)?

    /// - Parameter report: called from the counting threads; sums may arrive out of order.
    package init(total: Int, report: (@Sendable (WritingProgress) -> Void)?) {
        self.total = total
        self.report = report
    }

    package func add(_ count: Int) {
        let (_, sum) = written.add(count, ordering: .relaxed)
        report?(WritingProgress(written: sum, total: total))
    }
}
