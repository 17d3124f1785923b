internal import ArgumentParser
internal import GLMFiles
internal import GLMKernels
internal import GLMMPI
internal import GLMModel

/// The root of the command line.
struct Program: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "glm-infer",
        abstract: "Runs GLM-5 checkpoints on the CPU.",
        discussion: """
            Exit codes: 0 ok, 1 verify found a difference, 64 usage, 65 bad input, 66 no such file, 70 internal error, \
            74 reading or writing failed, or another device was lost.
            """,
        version: ProgramVersion.text,
        subcommands: [
            GenerateCommand.self, ChatCommand.self, BatchCommand.self, RenderCommand.self,
            TokenizeCommand.self,
            DetokenizeCommand.self,
            InspectCommand.self, DumpCommand.self, VerifyCommand.self, BenchCommand.self,
            SpeculateCommand.self,
        ])

    /// Runs the program. The main thread waits for Ctrl-C while the command runs on others.
    static func start() -> Never {
        Signals.prepare()
        // Devices that are threads allocate all at once; eight of them are 4 % faster with heaps of their own.
        FreedMemory.keep(inOneHeap: !CommandLine.arguments.contains { $0.hasPrefix("--tp-size") })
        let interrupts = Interrupts()
        Task.detached { await main(interrupts) }
        interrupts.listen()
    }

    /// Parses the arguments, runs the command and exits with its code. Every refusal is one line on the error stream.
    private static func main(_ interrupts: Interrupts) async -> Never {
        do {
            try Arguments.requireUTF8()
            try InstructionSet.check()
            var command = try parseAsRoot()
            switch command {
            case let chat as ChatCommand: try await chat.run(interrupts)
            case var asynchronous as any AsyncParsableCommand: try await asynchronous.run()
            default: try command.run()
            }
            MPIProcess.leave()
        } catch let error as InputError {
            Console.complain(error.description)
            exit(withCode: ExitStatus(error).code)
        } catch {
            // What is neither a refusal nor the argument parser's is a mistake in here.
            guard exitCode(for: error) == .failure, !(error is ExitCode) else { exit(withError: error) }
            Console.complain("internal error: \(error)")
            exit(withCode: ExitStatus.internalError.code)
        }
        exit(withCode: 0)
    }

    static func exit(withCode code: Int32) -> Never { exit(withError: ExitCode(code)) }
}

/// The exit codes of the command line, after `sysexits.h`.
enum ExitStatus: Int32 {
    case difference = 1
    case usage = 64
    case badInput = 65
    case noSuchFile = 66
    case internalError = 70
    case inputOutput = 74

    /// The code that belongs to a refusal.
    init(_ error: InputError) {
        self =
            switch error.kind {
            case .usage: .usage
            case .badInput: .badInput
            case .noSuchFile: .noSuchFile
            case .inputOutput: .inputOutput
            }
    }

    var code: Int32 { rawValue }
}
