import ArgumentParser
import GLMConversion
import GLMFiles
import GLMKernels
import GLMModel
import GLMSynthesis
import GLMWeights

/// `weights-tools verify`.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a checkpoint: finite values and scales, checksums, distance from its source.",
        discussion: """
            Reads every byte. Exit code 0: nothing to complain about; 1: a difference, each on a line that begins with \
            "problem:". With --source, errors are told relative to the largest magnitude of the source's block and compared \
            with what rounding explains: 2⁻⁴ for FP8, 2⁻⁸ for BF16, nothing between equal types.

            weights-tools verify models/GLM-5 --checksums GLM-5.checksums.json
            weights-tools verify models/GLM-5-fp8 --source models/GLM-5
            """)

    @Argument(help: ArgumentHelp("Folder of the checkpoint.", valueName: "dir"))
    var directory: String

    @Option(help: ArgumentHelp("The checkpoint it was made of, to compare values with.", valueName: "dir"))
    var source: String?

    @Option(help: "Largest error relative to a block's largest magnitude, instead of what rounding explains.")
    var tolerance: Float?

    @Option(
        help: ArgumentHelp(
            "Compare with the checksums in this file; write it if there is none.", valueName: "file"))
    var checksums: String?

    @Flag(help: "Print one JSON object with every tensor and file.")
    var json = false

    @OptionGroup var threads: ThreadOptions

    /// Problems that are printed one by one.
    private static let shown = 20

    func validate() throws {
        guard tolerance == nil || source != nil else {
            throw ValidationError("--tolerance goes with --source.")
        }
        guard tolerance.map({ $0 >= 0 }) ?? true else {
            throw ValidationError("--tolerance must not be negative.")
        }
    }

    func run() throws {
        let pool = threads.pool
        let (checkpoint, block, scaleFormat) = try Verify.open(directory)
        let verifier = CheckpointVerifier(checkpoint, block: block, scaleFormat: scaleFormat)
        let bar = ProgressBar(title: "reading")
        defer { bar.finish() }
        let total = verifier.byteCount
        var report = try verifier.run(pool: pool) { bar.show($0, of: total) }
        bar.finish()
        if let source { try compare(checkpoint, block, with: source, pool, &report) }
        let remark = try checkChecksums(&report)
        if json {
            print(report.json.text(.indented))
        } else {
            print(summary(report, remark))
        }
        if !report.problems.isEmpty { throw ExitCode(1) }
    }

    /// A checkpoint with what its configuration says of FP8.
    private static func open(
        _ directory: String
    ) throws(InputError) -> (Checkpoint, BlockShape, ScaleFormat) {
        let checkpoint = try Checkpoint.open(directory: directory)
        let root = try JSONDocument.load(path: checkpoint.path(of: "config.json"), limit: 64 << 20).root
        let size = try GLMConfiguration(root).weightBlock ?? CheckpointLayout.defaultBlock
        let format = root["quantization_config"]?["scale_fmt"]?.string.flatMap { ScaleFormat(rawValue: $0) }
        return (checkpoint, BlockShape(rows: size.rows, columns: size.columns), format ?? .float32)
    }

    private func compare(
        _ checkpoint: Checkpoint, _ block: BlockShape, with path: String, _ pool: ThreadPool,
        _ report: inout VerificationReport
    ) throws(InputError) {
        let (original, originalBlock, _) = try Verify.open(path)
        let comparison = SourceComparison(
            of: checkpoint, with: original, blocks: (block, originalBlock), tolerance: tolerance)
        let bar = ProgressBar(title: "comparing")
        defer { bar.finish() }
        try comparison.run(into: &report, pool: pool) { bar.show($0, of: comparison.byteCount) }
    }

    /// Writes or compares the checksums; returns what to say about them.
    private func checkChecksums(_ report: inout VerificationReport) throws(InputError) -> String? {
        guard let path = checksums else { return nil }
        let differences: [String]
        do throws(InputError) {
            differences = try ChecksumFile.differences(of: report, from: path)
        } catch {
            guard error.kind == .noSuchFile else { throw error }
            try ChecksumFile.write(report, to: path)
            return "checksums written to \(path)"
        }
        report.problems += differences
        return differences.isEmpty ? "checksums agree with \(path)" : nil
    }

    private func summary(_ report: VerificationReport, _ remark: String?) -> String {
        var lines = report.problems.prefix(Verify.shown).map { "problem: \($0)" }
        if report.problems.count > Verify.shown {
            lines.append("problem: and \(report.problems.count - Verify.shown) more; --json lists all")
        }
        if let worst = report.worst {
            lines.append(
                "worst relative error: \(worst.error.relative) at row \(worst.error.row), column "
                    + "\(worst.error.column) of \(worst.tensor.name)")
        }
        if let remark { lines.append(remark) }
        let bytes = ByteCount(report.files.reduce(0) { $0 + $1.byteCount })
        lines.append(
            "\(directory): \(report.tensors.count) tensors, \(bytes) in \(report.files.count) "
                + "\(report.files.count == 1 ? "file" : "files"): "
                + (report.problems.isEmpty ? "no problem" : "\(report.problems.count) problems"))
        return lines.joined(separator: "\n")
    }
}
