import ArgumentParser
import GLMModel

/// The command line that makes, converts and checks checkpoints.
struct WeightsTools: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weights-tools",
        abstract: "Makes synthetic GLM-5 checkpoints in the released layout; converts and checks any.",
        discussion:
            "Every file appears whole or not at all, config.json last: an interrupted run leaves nothing that loads.",
        version: EngineVersion.text(of: "weights-tools"),
        subcommands: [Make.self, Headers.self, Convert.self, Verify.self])
}
