internal import GLMFiles
internal import GLMKernels
internal import GLMModel

/// What `--version` prints.
enum ProgramVersion {
    /// Version and build, instruction-set level, BLAS.
    static var text: String {
        """
        \(EngineVersion.text(of: "glm-infer"))
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

    /// The OpenBLAS that `--gemm openblas` would use. It is looked for at run time only, and nothing else needs it.
    private static var blas: String {
        guard let library = OpenBLAS.find() else { return "none found" }
        return "\(library.library), core type \(library.coreType) (\(library.configuration))"
    }
}
