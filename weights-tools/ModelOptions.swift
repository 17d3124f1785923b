import ArgumentParser
import GLMFiles
import GLMSynthesis

extension Preset: ExpressibleByArgument {}
extension CheckpointFormat: ExpressibleByArgument {}

/// Which configuration a command is about.
struct ModelOptions: ParsableArguments {
    @Option(help: "A named size.")
    var preset: Preset?

    @Option(help: ArgumentHelp("A config.json of your own, instead of a preset.", valueName: "file"))
    var config: String?

    @Option(help: "Decoder layers (presets only; glm5-slice has 2).")
    var layers: Int?

    @Option(help: "Leading dense layers among them (presets only; glm5-slice has 1).")
    var denseLayers: Int?

    @Flag(name: .customLong("no-mtp"), help: "Leave out the MTP layer.")
    var omitsDraftLayer = false

    @Option(help: "Rows of the vocabulary (presets only).")
    var vocabSize: Int?

    func validate() throws {
        guard (preset == nil) != (config == nil) else {
            throw ValidationError("Give either --preset or --config.")
        }
        guard config == nil || (layers == nil && denseLayers == nil && vocabSize == nil) else {
            throw ValidationError(
                "--layers, --dense-layers and --vocab-size change a preset; edit the --config file instead.")
        }
    }

    /// The configuration in the asked-for format.
    func model(format: CheckpointFormat, seed: UInt64) throws(InputError) -> SyntheticModel {
        if let config {
            var document = JSON(try JSONDocument.load(path: config, limit: 64 << 20).root)
            if omitsDraftLayer { document = document.setting("num_nextn_predict_layers", 0) }
            return try SyntheticModel(document, source: config, format: format, seed: seed)
        }
        var changes = Preset.Changes()
        changes.layers = layers
        changes.denseLayers = denseLayers
        changes.vocabularySize = vocabSize
        changes.omitsDraftLayer = omitsDraftLayer
        return try SyntheticModel(preset ?? .nano, changes: changes, format: format, seed: seed)
    }
}

/// Where a command writes.
struct OutputOptions: ParsableArguments {
    @Option(
        name: [.customLong("out"), .customShort("o")],
        help: ArgumentHelp("Folder to write.", valueName: "dir"))
    var path: String

    @Flag(
        name: [.customLong("force"), .customShort("f")], help: "Replace the checkpoint that is in the folder."
    )
    var replaces = false
}
