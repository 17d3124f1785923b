internal import GLMKernels

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

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

    /// The OpenBLAS that would be found. It is looked for at run time only, and nothing here needs it.
    private static var blas: String {
        for name in ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"] {
            guard let library = unsafe dlopen(name, RTLD_LAZY | RTLD_LOCAL) else { continue }
            defer { unsafe dlclose(library) }
            guard let symbol = unsafe dlsym(library, "openblas_get_config") else { return name }
            typealias Describe = @convention(c) () -> UnsafePointer<CChar>?
            let describe = unsafe unsafeBitCast(symbol, to: Describe.self)
            guard let text = unsafe describe() else { return name }
            return unsafe "\(name) (\(String(cString: text)))"
        }
        return "none found"
    }
}
