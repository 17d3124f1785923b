import GLMKernels

/// What the programs say of themselves.
package enum EngineVersion {
    /// Of the engine, and so of every program made of it.
    package static let number = "0.1.0"

    /// Version and build of a program, then the instruction-set level; two lines.
    package static func text(of program: String) -> String {
        """
        \(program) \(number) (\(build), \(platform))
        instruction set: \(InstructionSet.selected.name) (best here: \(InstructionSet.best.name))
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
}
