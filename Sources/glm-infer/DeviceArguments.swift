internal import ArgumentParser
internal import GLMFiles
internal import GLMKernels
internal import GLMMPI
internal import GLMModel
internal import GLMParallel

/// How many devices share the model.
struct DeviceArguments: ParsableArguments {
    @Option(name: .long, help: "Devices that share the model: simulated by threads, each doing its own part.")
    var tpSize = 1

    @Option(
        name: .long, help: "What the devices are: threads of this process, or the processes of mpirun (mpi).")
    var distributed = Distribution.threads

    @Option(name: .long, help: "Groups of devices that own whole experts; divides --tp-size.")
    var epSize = 1

    @Flag(
        name: .long,
        help: "Groups of devices answer requests of their own; all devices share the feed-forward parts.")
    var enableDpAttention = false

    @Option(
        name: .long,
        help: "These groups; divides --tp-size (default with --enable-dp-attention: one for each device).")
    var dpSize: Int?

    @Option(
        name: .long,
        help: "Seconds a device waits for the others; then all give up, and the late one is named.")
    var collectiveTimeout = 300.0

    /// The same for the library, checked as far as it can be without a model. With MPI, this process joins the others.
    ///
    /// - Parameter seed: must be the same in all processes, like the program itself.
    func options(seed: UInt64? = nil) throws(InputError) -> DeviceOptions {
        var options = DeviceOptions()
        guard enableDpAttention || dpSize ?? 1 == 1 else {
            throw InputError(
                .usage, subject: "--dp-size", found: "\(dpSize ?? 1) without --enable-dp-attention",
                expected: "both", remedy: "copies of a whole model are served by several programs")
        }
        options.layout = ParallelLayout(
            tensor: tpSize, expert: epSize, data: enableDpAttention ? dpSize ?? tpSize : 1)
        options.layout.isGroupForEachDevice = enableDpAttention && dpSize == nil
        try options.layout.check()
        guard (0.001...86_400).contains(collectiveTimeout) else {
            throw InputError(
                .usage, subject: "--collective-timeout", found: "\(collectiveTimeout)",
                expected: "0.001 to 86400 seconds")
        }
        options.timeout = .seconds(collectiveTimeout)
        options.failed = { failure in
            Console.complain(failure.description)
            MPIProcess.abort(code: ExitStatus.inputOutput.code)
            Program.exit(withCode: ExitStatus.inputOutput.code)
        }
        guard distributed == .mpi else { return options }
        let group = try MPIProcess.join(size: tpSize, timeout: options.timeout)
        options.transport = .process(group.communicator)
        options.neighbours = group.neighbours
        options.agreement = [
            ("build", try ProgramVersion.identity()), ("seed", seed.map { "\($0)" } ?? "none"),
        ]
        return options
    }

    /// Whether there is traffic to report.
    var areSeveral: Bool { tpSize > 1 }

    /// Threads of this process: those that were asked for, or its share of the processors.
    func threads(_ asked: Int?) -> Int? {
        asked ?? (distributed == .mpi ? max(1, ThreadPool.availableProcessors / max(1, tpSize)) : nil)
    }
}

/// `--distributed`.
enum Distribution: String, ExpressibleByArgument, CaseIterable {
    case threads, mpi
}

extension LanguageModel {
    /// On all devices but the first: does what the first says, and ends the process. Returns on the first.
    func followOthers() {
        guard device.rank > 0 else { return }
        follow()
        MPIProcess.leave()
        Program.exit(withCode: 0)
    }
}
