internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMMPI
internal import GLMModel

/// `verify`: compares every quantity of a golden folder with what this engine computes.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare the engine with a folder of stored intermediates.",
        discussion: """
            One row a quantity: the largest error, the tolerance, pass or fail; sets and tokens must be equal. The exit \
            code is 1 when anything differs.
            """)

    @Option(
        name: .long, help: "Folder with golden.safetensors, golden.json and a checkpoint in bf16/ or fp8/.")
    var golden: String

    @Option(name: [.customShort("t"), .long], help: "Threads to compute with (default: one for each core).")
    var threads: Int?

    @Option(
        name: .long,
        help: "What multiplies weights by tokens: own or openblas. A dump is compared with what made it."
    )
    var gemm = Gemm.own

    @OptionGroup var devices: DeviceArguments

    func run() throws {
        var options = try ModelOptions.loadOptions(threads: threads)
        options.gemm = gemm.backend
        options.devices = try devices.options()
        let report = try GoldenVerifier(directory: golden).verify(options: options)
        MPIProcess.leave()
        guard options.devices.isFirst else { return }
        try Console.output(VerifyCommand.table(report))
        if !report.passed { throw ExitCode(ExitStatus.difference.code) }
    }

    private static func table(_ report: GoldenReport) -> String {
        let rows = report.rows.map { row in
            [
                row.outcome.rawValue, row.quantity, row.largestError.map { "\($0)" } ?? "-",
                row.tolerance.map { "\($0)" } ?? "exact", row.detail,
            ]
        }
        let passed = report.rows.count - report.failures - report.notCovered
        return Figure.table(["", "quantity", "largest error", "tolerance", ""], rows)
            + "\(passed) passed, \(report.failures) failed, \(report.notCovered) not covered\n"
    }
}
