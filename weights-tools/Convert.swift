import ArgumentParser
import GLMConversion
import GLMFiles
import GLMKernels
import GLMSynthesis
import GLMWeights

extension ScaleFormat: ExpressibleByArgument {}

/// `weights-tools convert`.
struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Converts a checkpoint between BF16, FP8 blocks and F32, and spreads it over files anew.",
        discussion: """
            Quantises exactly the tensors that the released FP8 checkpoints do; without --format every tensor stays as it is. \
            Tensors are streamed: a thread needs a few megabytes. A value that is not finite is refused by tensor and place. \
            Tokenizer, chat template and generation_config.json are copied, config.json is brought up to date.

            weights-tools convert models/GLM-5 --out models/GLM-5-fp8 --format fp8
            weights-tools convert models/GLM-5-fp8 --out models/GLM-5-bf16 --format bf16 --shard-bytes 5GB
            weights-tools convert models/GLM-5 --out models/GLM-5-one-file --shards 1
            """)

    @Argument(help: ArgumentHelp("Folder of the checkpoint to convert.", valueName: "in"))
    var source: String

    @OptionGroup var output: OutputOptions

    @Option(help: "Format of the linear layers: bf16, fp8 (E4M3 in blocks of 128 × 128) or f32.")
    var format: CheckpointFormat?

    @Option(
        help:
            "Scales of FP8 blocks: float32 (largest magnitude / 448) or ue8m0 (that, rounded up to a power of two)."
    )
    var scaleFormat: ScaleFormat?

    @OptionGroup var sharding: ShardingOptions
    @OptionGroup var threads: ThreadOptions

    func validate() throws {
        guard scaleFormat == nil || format == nil || format == .float8 else {
            throw ValidationError("--scale-format goes with --format fp8.")
        }
    }

    func run() throws {
        let checkpoint = try Checkpoint.open(directory: source)
        let plan = try ConversionPlan(
            checkpoint,
            ConversionOptions(format: format, scaleFormat: scaleFormat, sharding: sharding.sharding))
        let bar = ProgressBar(title: "converting")
        defer { bar.finish() }
        try CheckpointConverter(plan).write(
            to: output.path, replaces: output.replaces, pool: threads.pool,
            progress: { bar.show($0.written, of: $0.total) })
        bar.finish()
        print(
            "\(output.path): \(plan.tensorCount) tensors, \(ByteCount(plan.byteCount)) in \(plan.shards.count) "
                + (plan.shards.count == 1 ? "file" : "files"))
    }
}

/// How a converted checkpoint is spread over files.
struct ShardingOptions: ParsableArguments {
    @Option(help: "Number of safetensors files.")
    var shards: Int?

    @Option(
        help: ArgumentHelp(
            "Most bytes of tensors in a file, as 5GB or 500MB (10⁹, 10⁶); 5GB if neither is given.",
            valueName: "bytes"))
    var shardBytes: ByteSize?

    func validate() throws {
        guard shards == nil || shardBytes == nil else {
            throw ValidationError("Give either --shards or --shard-bytes.")
        }
    }

    var sharding: Sharding {
        shards.map { .count($0) } ?? shardBytes.map { .bytes($0.bytes) } ?? .standard
    }
}

/// A number of bytes as it is typed.
struct ByteSize: ExpressibleByArgument {
    let bytes: Int

    init?(argument: String) {
        let units = [
            ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("", 1),
        ]
        for (name, unit) in units where argument.hasSuffix(name) {
            guard let number = Int(argument.dropLast(name.count)), number > 0 else { return nil }
            let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
            guard !overflow else { return nil }
            self.bytes = bytes
            return
        }
        return nil
    }
}

/// How many threads a command uses.
struct ThreadOptions: ParsableArguments {
    @Option(name: [.customLong("threads"), .customShort("t")], help: "Threads; all processors if not given.")
    var threads: Int?

    func validate() throws {
        guard (1...1024).contains(threads ?? 1) else { throw ValidationError("--threads must be 1 to 1024.") }
    }

    var pool: ThreadPool { ThreadPool(threads: threads ?? ThreadPool.availableProcessors) }
}
