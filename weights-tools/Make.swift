import ArgumentParser
import GLMFiles
import GLMKernels
import GLMSynthesis

/// `weights-tools make`.
struct Make: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a seeded synthetic checkpoint.",
        discussion: """
            With tokenizer, chat template and MTP layer. The same seed gives the same bytes on every machine, for any number \
            of threads; shards change the files, not the tensors. BF16 is F32 rounded; FP8 is drawn on its own.

            weights-tools make --preset nano --out models/nano --seed 1
            weights-tools make --preset glm5-slice --layers 2 --dense-layers 1 --no-mtp --format fp8 --out models/slice --seed 1
            """)

    @OptionGroup var model: ModelOptions
    @OptionGroup var output: OutputOptions

    @Option(help: "Seed of all weights.")
    var seed: UInt64 = 1

    @Option(help: "Format of the linear layers; fp8 is E4M3 with a scale for each 128 × 128 block.")
    var format: CheckpointFormat = .bfloat16

    @Option(help: "Number of safetensors files; an index comes with more than one.")
    var shards = 1

    @OptionGroup var threads: ThreadOptions

    func run() throws {
        let synthetic = try model.model(format: format, seed: seed)
        let writer = try CheckpointWriter(synthetic, shards: shards)
        let bar = ProgressBar(title: "writing")
        defer { bar.finish() }
        try writer.write(
            to: output.path, replaces: output.replaces,
            pool: threads.pool,
            progress: { bar.show($0.written, of: $0.total) })
        bar.finish()
        Summary(synthetic, writer.plan).write(to: output.path)
    }
}
