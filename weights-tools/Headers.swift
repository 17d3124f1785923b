import ArgumentParser
import GLMFiles
import GLMKernels
import GLMSynthesis

/// `weights-tools headers`.
struct Headers: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the headers of a checkpoint at full size, without its data.",
        discussion: """
            The safetensors files have their real length but are holes behind the header: they take next to no disk space. \
            For looking at a layout with `glm-infer inspect`; every weight reads as zero.

            weights-tools headers --preset glm-5.1 --shards 282 --out models/glm-5.1-headers
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var output: OutputOptions

    @Option(help: "Format of the linear layers.")
    var format: CheckpointFormat = .bfloat16

    @Option(help: "Number of safetensors files; an index comes with more than one.")
    var shards = 1

    func run() throws {
        let synthetic = try model.model(format: format, seed: 0)
        let writer = try CheckpointWriter(synthetic, shards: shards, contents: .holes)
        let bar = ProgressBar(title: "files")
        defer { bar.finish() }
        try writer.write(
            to: output.path, replaces: output.replaces, pool: ThreadPool(threads: 1),
            progress: { bar.show($0.written, of: $0.total) })
        bar.finish()
        Summary(synthetic, writer.plan).write(to: output.path)
    }
}
