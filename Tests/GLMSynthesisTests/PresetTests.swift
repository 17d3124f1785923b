import GLMFiles
import GLMModel
import GLMSynthesis
import GLMTestSupport
import Testing

@Suite struct PresetTests {
    @Test(arguments: Preset.allCases) func everyPresetIsAValidModel(_ preset: Preset) throws {
        for format in CheckpointFormat.allCases {
            let model = try SyntheticModel(preset, format: format, seed: 0)
            let c = model.configuration
            #expect(c.nextTokenLayerCount == 1)
            #expect(c.feedForwards.contains(.dense) && c.feedForwards.contains(.sparse))
            #expect(c.endOfSequenceTokens == model.tokens?.endOfSequence)
            #expect((c.weightBlock != nil) == (format == .float8))
        }
    }

    @Test func sizesAreAsPromised() throws {
        func parameters(_ preset: Preset) throws -> Int {
            try SyntheticModel(preset, format: .bfloat16, seed: 0).layout.parameterCount
        }
        let nano = try SyntheticModel(.nano, format: .bfloat16, seed: 0)
        let bytes =
            try CheckpointWriter(nano, shards: 1).plan.byteCount
            + nano.texts.reduce(0) { $0 + $1.bytes.count }
        #expect(bytes <= 2_000_000)
        #expect(nano.configuration.headCount == 8 && nano.configuration.indexTopK <= 16)
        #expect(nano.configuration.hiddenSize > 128 && nano.configuration.routedExpertCount >= 8)
        #expect((9_000_000...11_000_000).contains(try parameters(.small)))
        #expect((900_000_000...1_200_000_000).contains(try parameters(.mid)))
    }

    @Test func sliceHasTheRealWidths() throws {
        var changes = Preset.Changes()
        changes.layers = 2
        changes.denseLayers = 1
        changes.omitsDraftLayer = true
        let slice = try SyntheticModel(.glm5Slice, changes: changes, format: .float8, seed: 1)
        let released = try CheckpointLayoutTests.released(.float8)
        let shapes = Dictionary(uniqueKeysWithValues: released.tensors.map { ($0.name, $0.shape) })
        for tensor in slice.layout.tensors {
            // Layer 1 of the slice is sparse: its twin is the first sparse layer of the release.
            let twin = tensor.name.replacing("layers.1.", with: "layers.3.")
            #expect(shapes[twin] == tensor.shape, "\(tensor.name)")
        }
        #expect((14_000_000_000...14_200_000_000).contains(slice.layout.byteCount))
        changes.vocabularySize = 1000
        let short = try SyntheticModel(.glm5Slice, changes: changes, format: .float8, seed: 1)
        #expect(short.configuration.vocabularySize == 1000)
        #expect(slice.layout.parameterCount - short.layout.parameterCount == 2 * 153_880 * 6144)
    }

    @Test func changesThatMakeNoModelAreRefused() throws {
        func refused(_ part: String, _ change: (inout Preset.Changes) -> Void) {
            var changes = Preset.Changes()
            change(&changes)
            let wrong = changes
            expectRefused(.usage, containing: part) { _ = try Preset.nano.document(wrong) }
        }
        refused("--layers") { $0.layers = 0 }
        refused("--dense-layers") { $0.denseLayers = 4 }
        refused("--dense-layers") { $0.denseLayers = -1 }
        refused("--vocab-size") { $0.vocabularySize = 291 }
    }

    @Test func anOwnConfigurationKeepsWhatTheFormatDoesNotDecide() throws {
        let document = try Preset.nano.document()
            .setting("vocab_size", 200).setting("eos_token_id", [7, 9]).setting("pad_token_id", 7)
            .setting("torch_dtype", "float16")
        let model = try SyntheticModel(document, source: "own.json", format: .float8, seed: 1)
        #expect(model.tokens == nil)
        #expect(model.configuration.endOfSequenceTokens == [7, 9])
        #expect(model.texts.map(\.name) == ["generation_config.json", "config.json"])
        #expect(model.document["torch_dtype"] == nil && model.document["dtype"] == "bfloat16")
        expectRefused(containing: "own.json", "hidden_size") {
            _ = try SyntheticModel(
                document.setting("hidden_size", nil), source: "own.json", format: .float8, seed: 1)
        }
    }
}
