internal import GLMFiles
internal import GLMKernels
internal import GLMModel

/// What `--version` prints.
enum ProgramVersion {
    static let number = "0.1.0"

    /// Version and build, instruction-set level, BLAS.
    static var text: String {
        """
        glm-infer \(number) (\(build), \(platform))
        instruction set: \(InstructionSet.selected.name) (best here: \(InstructionSet.best.name))
        BLAS: \(blas)
        """
    }

    /// Tells this program from another one and from another build of itself: its version, level and libraries, and a
    /// hash of the file that is running.
    /// - Throws: an `InputError` when that file cannot be read.
    static func identity() throws(InputError) -> String {
        #if os(Linux)
            let path = "/proc/self/exe"
        #else
            let path = CommandLine.arguments[0]
        #endif
        return "\(text) \(Fingerprint(try MappedFile.open(path: path)).value)"
    }

    private static var build: String {
        #if DEBUG
            "debug build"
        #else
            "release build"
        #endif
    }

    private static var platform: String {
        #if arch(x86_64)
            let architecture = "x86-64"
        #elseif arch(arm64)
            let architecture = "arm64"
        #else
            let architecture = "unknown architecture"
        #endif
        #if os(Linux)
            return "\(architecture) Linux"
        #elseif os(macOS)
            return "\(architecture) macOS"
        #else
            return architecture
        #endif
    }

    /// The OpenBLAS that `--gemm openblas` would use. It is looked for at run time only, and nothing else needs it.
    private static var blas: String {
        guard let library = OpenBLAS.find() else { return "none found" }
        return "\(library.library), core type \(library.coreType) (\(library.configuration))"
    }
}
