internal import ArgumentParser
internal import GLMFiles
internal import GLMInference
internal import GLMKernels

/// Whether the time of forward passes is taken apart, and where that is written.
struct ProfileOptions: ParsableArguments {
    @Flag(
        name: .long,
        help: "Print time, bytes and FLOP/s of each operation and each layer, on standard error.")
    var profile = false

    @Option(name: .long, help: "Write a bar chart of the same to this SVG file.")
    var profileSvg: String?

    @Option(name: .long, help: "Write every operation of every layer to this CSV file.")
    var profileCsv: String?

    /// Whether anything of it is wanted.
    var isWanted: Bool { profile || profileSvg != nil || profileCsv != nil }

    /// Prints and writes what is wanted.
    func deliver(_ report: ProfileReport, title: String) throws(InputError) {
        if profile { Console.note("\n" + report.text) }
        if let profileSvg { try AtomicFile.write(ProfileChart(report, title: title).svg, to: profileSvg) }
        if let profileCsv { try AtomicFile.write(report.csv, to: profileCsv) }
    }
}
