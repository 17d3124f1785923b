internal import ArgumentParser
internal import GLMEngine
internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMModel
internal import GLMParallel

/// `bench`: tokens per second, and how far they are from what the machine can do.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure prefill and decode, beside the limits of the machine.",
        discussion: """
            Every list is one of numbers with commas; all combinations are run. 'pp512 @ d2048' is a prompt of 512 tokens \
            behind 2048 that are cached, 'tg64' are 64 single steps, 'tg48 x 8' the same for 8 sequences in one batch. The \
            share of the limit is the time the machine needs at least, for the bytes that must be read or for the \
            operations, whichever is longer, over the time taken; both limits are measured between the steps.
            """)

    @Option(name: [.customShort("m"), .long], help: "Folder of a checkpoint (default: the built-in model).")
    var model: String?

    @Option(name: [.customShort("p"), .customLong("prompt-tokens")], help: "Lengths of prompts; 0 for none.")
    var prompts = "512"

    @Option(name: [.customShort("n"), .customLong("new-tokens")], help: "Tokens to decode; 0 for none.")
    var generations = "64"

    @Option(name: [.customShort("d"), .customLong("depth")], help: "Tokens cached before a test begins.")
    var depths = "0"

    @Option(name: [.customShort("t"), .long], help: "Numbers of threads (default: one for each core).")
    var threads: String?

    @Option(
        name: .long,
        help: "Numbers of sequences, with prompts of 128 tokens, that decode 48 tokens in one batch.")
    var parallel = ""

    @Option(name: [.customShort("r"), .long], help: "Timed runs of each test.")
    var repetitions = 5

    @Flag(name: .long, help: "Time every test once, then every one again: for tests that are compared.")
    var inTurns = false

    @Option(name: [.customShort("o"), .long], help: "md, csv or json.")
    var output = "md"

    @Flag(name: .long, help: "The same as --output json; holds what devices exchanged, too.")
    var json = false

    @Option(name: .long, help: "Prompt tokens of one forward pass.")
    var chunk = 512

    @Option(
        name: .long,
        help:
            "What multiplies weights by tokens: own, or openblas, whose bits depend on the batch."
    )
    var gemm = Gemm.own

    @Option(name: .long, help: "Arithmetic of the products: float32, bfloat16 or w8a8.")
    var numerics = Numerics.float32

    @Option(name: .long, help: "Format of the cache: float32, bfloat16 or fp8.")
    var kvCacheDtype = CacheType.float32

    @OptionGroup var devices: DeviceArguments

    @OptionGroup var profiling: ProfileOptions

    func run() throws {
        let grid = try BenchmarkGrid(
            prompts: prompts, generations: generations, depths: depths,
            threads: threads ?? "\(devices.threads(nil) ?? ThreadPool.availableProcessors)",
            parallel: parallel,
            repetitions: repetitions)
        guard let format = json ? .json : BenchmarkTable.Format(rawValue: output) else {
            throw InputError(.usage, subject: "--output", found: "'\(output)'", expected: "md, csv or json")
        }
        guard (1...(1 << 20)).contains(chunk) else {
            throw InputError(.usage, subject: "--chunk", found: "\(chunk)", expected: "1 to \(1 << 20)")
        }
        try profiling.check()
        let directory = try ModelOptions.directory(model)
        let inventory = try CheckpointInventory(directory: directory)
        try grid.validate(contextSize: inventory.configuration.maximumPositions)
        try loadOptions(threads: grid.threads[0]).checkProducts(inventory.configuration)

        let blas = OpenBLAS.find()
        let table = BenchmarkTable(format, subject: subject(inventory, directory, blas))
        guard grid.threads.count == 1 || devices.distributed == .threads else {
            throw InputError(
                .usage, subject: "--threads", found: "several numbers",
                expected: "one, with --distributed mpi")
        }
        let shared = try devices.options()
        if shared.isFirst { try Console.output(table.header) }
        let probe = MachineProbe(blas: blas, pool: ThreadPool(threads: grid.threads.max() ?? 1))
        var phases: [ProfileReport.Phase] = []
        var ledgers: [BenchmarkTable.Ledger] = []
        var isFirst = true
        for threads in grid.threads {
            let profile = Profile(laps: profiling.isWanted)
            let runner = try loadRunner(
                directory, threads: threads, devices: shared, profile: profile, probe: probe)
            if inTurns {
                for result in runner.runInTurns(grid.tests, repetitions: grid.repetitions) {
                    try Console.output(table.row(result, isFirst: isFirst))
                    isFirst = false
                }
                phases += named("in turns, \(threads) threads", ProfileReport(profile))
            } else {
                for test in grid.tests {
                    let result = runner.run(test, repetitions: grid.repetitions)
                    try Console.output(table.row(result, isFirst: isFirst))
                    isFirst = false
                    phases += named("\(test.name), \(threads) threads", ProfileReport(profile))
                }
            }
            if devices.areSeveral {
                let traffic = runner.traffic
                ledgers.append(BenchmarkTable.Ledger(threads: threads, traffic: traffic))
                Console.note(traffic.table)
            }
            runner.disband()
        }
        guard shared.isFirst else { return }
        try Console.output(table.footer(ledgers))
        try profiling.deliver(
            ProfileReport(phases: phases), title: "glm-infer bench: \(BenchCommand.name(of: directory))")
    }

    private func loadOptions(threads: Int) -> LoadOptions {
        LoadOptions(
            threads: threads, gemm: gemm.backend, numerics: numerics.arithmetic,
            cacheFormat: kvCacheDtype.format)
    }

    private func loadRunner(
        _ directory: String, threads: Int, devices: DeviceOptions, profile: Profile, probe: MachineProbe
    ) throws(InputError) -> BenchmarkRunner {
        var options = loadOptions(threads: threads)
        options.profile = profile
        options.devices = devices
        let bar = ProgressBar()
        defer { bar.clear() }
        let model = try LanguageModel.load(
            directory: directory, options: options, progress: { bar.show($0) })
        bar.clear()
        model.followOthers()
        if profiling.isWanted {
            let ways = model.compute.kernels.fetchWays
            let numbers = BenchCommand.name(of: ways.numbers)
            let codes = BenchCommand.name(of: ways.codes) + BenchCommand.streams(of: model.compute)
            let others = codes == numbers || model.configuration.weightBlock == nil ? "" : ", FP8 \(codes)"
            Console.note("for one token weights are asked for \(numbers)\(others)\n")
        }
        return BenchmarkRunner(model: model, profile: profile, probe: probe, chunk: chunk)
    }

    private static func name(of way: FetchWay) -> String {
        "\(way.distance) bytes ahead" + (way == .secondLevel ? " into the second-level cache" : "")
    }

    /// Which rows of codes are read as one stream instead of four.
    private static func streams(of compute: Compute) -> String {
        let kernels = compute.kernels
        func isOneStream(_ bytes: Int) -> Bool { kernels.aheadOfFour(.float8E4M3, rowBytes: bytes) > 0 }
        if compute.arithmetic != .float32 || !isOneStream(1024) { return "" }
        return isOneStream(2048) ? ", four rows as one stream" : ", four rows of at most 1024 as one stream"
    }

    /// The forward passes of a test under the test's name.
    private func named(_ name: String, _ report: ProfileReport) -> [ProfileReport.Phase] {
        report.phases.map { phase in
            var phase = phase
            phase.name = report.phases.count == 1 ? name : "\(name), \(phase.name)"
            return phase
        }
    }

    private func subject(
        _ inventory: CheckpointInventory, _ directory: String, _ blas: OpenBLAS?
    ) -> BenchmarkTable.Subject {
        let weights = inventory.formats.max { $0.bytes < $1.bytes }?.type
        return BenchmarkTable.Subject(
            model: model == nil ? "built-in" : BenchCommand.name(of: directory),
            weights: weights?.benchmarkName ?? "-", bytes: inventory.mappedBytes,
            machine: [
                ("processor", Processor.name), ("cores", "\(ThreadPool.availableProcessors)"),
                ("instruction set", InstructionSet.selected.name),
                ("SGEMM", blas.map { "\($0.library) (\($0.coreType))" } ?? "own product, no OpenBLAS found"),
                ("gemm", gemm.rawValue), ("numerics", numerics.rawValue),
                ("cache", kvCacheDtype.rawValue), ("chunk", "\(chunk)"), ("devices", "\(devices.tpSize)"),
                ("glm-infer", EngineVersion.number),
            ])
    }

    private static func name(of directory: String) -> String {
        directory.split(separator: "/").last.map(String.init) ?? directory
    }
}
