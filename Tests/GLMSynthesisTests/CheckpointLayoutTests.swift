import Foundation
import GLMFiles
import GLMModel
import GLMSynthesis
import GLMTestSupport
import GLMWeights
import Testing

@Suite struct CheckpointLayoutTests {
    static func released(_ format: CheckpointFormat) throws -> CheckpointLayout {
        try SyntheticModel(.glm51, format: format, seed: 0).layout
    }

    @Test func releasedLayoutHasTheReleasedCounts() throws {
        let layout = try Self.released(.bfloat16)
        #expect(layout.tensors.count == 59_870)
        #expect(layout.parameterCount == 753_864_139_008)
        #expect(layout.byteCount == 2 * 753_864_139_008 + 2 * 256 * 76)  // the router's biases are F32
        #expect(Set(layout.tensors.map(\.name)).count == 59_870)
    }

    @Test func releasedFP8LayoutAddsOneScaleTensorAWeight() throws {
        let layout = try Self.released(.float8)
        let scales = layout.tensors.filter(\.isScale)
        let codes = layout.tensors.filter { $0.type == .float8E4M3 }
        #expect(scales.count == codes.count)
        #expect(layout.tensors.count == 59_870 + scales.count)
        #expect(layout.parameterCount == 753_864_139_008)
        let shapes = Dictionary(uniqueKeysWithValues: layout.tensors.map { ($0.name, $0.shape) })
        let attention = "model.layers.77.self_attn"
        #expect(shapes["\(attention).kv_a_proj_with_mqa.weight_scale_inv"] == [5, 48])
        #expect(shapes["\(attention).kv_b_proj.weight_scale_inv"] == [224, 4])
        #expect(shapes["\(attention).o_proj.weight_scale_inv"] == [48, 128])
        #expect(shapes["\(attention).indexer.wk.weight_scale_inv"] == [1, 48])
        #expect(shapes["model.layers.0.mlp.down_proj.weight_scale_inv"] == [48, 96])
        #expect(shapes["model.layers.78.mlp.experts.255.down_proj.weight_scale_inv"] == [48, 16])
        #expect(shapes["model.layers.78.eh_proj.weight_scale_inv"] == nil)
        #expect(shapes["\(attention).indexer.weights_proj.weight_scale_inv"] == nil)
    }

    @Test func activeParametersCountTheChosenExperts() throws {
        let layout = try Self.released(.bfloat16)
        let attention =
            2048 * 6144 + 2048 + 16384 * 2048 + 576 * 6144 + 512 + 28672 * 512 + 6144 * 16384 + 2 * 6144
            + 4096 * 2048 + 128 * 6144 + 256 + 32 * 6144
        let dense = 3 * attention + 3 * 3 * 12288 * 6144
        let sparse = 75 * (attention + 256 * 6144 + 256 + 9 * 3 * 2048 * 6144)
        #expect(layout.activeParameterCount == dense + sparse + 6144 + 154_880 * 6144)
    }

    @Test func withoutDraftLayerNothingStandsBehindTheTrunk() throws {
        var changes = Preset.Changes()
        changes.omitsDraftLayer = true
        let with = try SyntheticModel(.nano, format: .bfloat16, seed: 0).layout
        let without = try SyntheticModel(.nano, changes: changes, format: .bfloat16, seed: 0).layout
        let names = Set(without.tensors.map(\.name))
        #expect(names.isStrictSubset(of: with.tensors.map(\.name)))
        let dropped = with.tensors.map(\.name).filter { !names.contains($0) }
        #expect(dropped.allSatisfy { $0.hasPrefix("model.layers.3.") })
        #expect(without.activeParameterCount == with.activeParameterCount)
    }

    /// Checkpoints written by another program in the released layout: the lists must be the same, tensor by
    /// tensor.
    @Test(arguments: [
        ("tiny/bf16", CheckpointFormat.bfloat16), ("shared-odd/bf16", .bfloat16), ("fp8-edge/fp8", .float8),
    ])
    func agreesWithTheGoldenCheckpoints(_ folder: String, _ format: CheckpointFormat) throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let path = tests.appendingPathComponent("GLMModelTests/Golden/\(folder)").path
        let stored = try storedTensors(at: path)
        let layout = CheckpointLayout(try GLMConfiguration.load(path: "\(path)/config.json"), format: format)
        #expect(layout.tensors.count == stored.count)
        for tensor in layout.tensors {
            #expect(stored[tensor.name]?.shape == tensor.shape, "\(tensor.name)")
            #expect(stored[tensor.name]?.type == tensor.type.rawValue, "\(tensor.name)")
        }
    }
}
