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

    /// Refuses files that could not be written in the end, and leaves nothing behind.
    ///
    /// Every process of several does this before they join, so that all refuse alike.
    func check() throws(InputError) {
        for path in [profileSvg, profileCsv].compactMap({ $0 }) {
            guard !path.isEmpty, !Directory.exists(path) else {
                throw InputError(
                    .inputOutput, file: path.isEmpty ? "''" : path,
                    found: path.isEmpty ? "no name" : "a directory", expected: "a file",
                    remedy: "name a file in a directory that exists")
            }
            do {
                // Goes at once, and takes its temporary file with it.
                _ = try AtomicFile(path: path)
            } catch {
                var error = error
                if error.remedy == nil { error.remedy = "name a file in a directory that exists" }
                throw error
            }
        }
    }

    /// Prints and writes what is wanted.
    func deliver(_ report: ProfileReport, title: String) throws(InputError) {
        if profile { Console.note("\n" + report.text) }
        if let profileSvg { try AtomicFile.write(ProfileChart(report, title: title).svg, to: profileSvg) }
        if let profileCsv { try AtomicFile.write(report.csv, to: profileCsv) }
    }
}
