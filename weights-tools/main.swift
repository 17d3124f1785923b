import ArgumentParser
import GLMFiles
import GLMKernels
import GLMModel

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

// The exit codes of sysexits.h; ArgumentParser itself ends with 64 on a wrong command line.
do {
    do {
        try InstructionSet.check()
        var command = try WeightsTools.parseAsRoot()
        try command.run()
    } catch let error as InputError {
        StandardError.put("weights-tools: \(error)\n")
        switch error.kind {
        case .usage: exit(64)
        case .badInput: exit(65)
        case .noSuchFile: exit(66)
        case .inputOutput: exit(74)
        }
    }
} catch {
    WeightsTools.exit(withError: error)
}
