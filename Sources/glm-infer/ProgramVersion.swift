internal import GLMKernels

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
