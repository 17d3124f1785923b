import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import GLMParallel
import GLMSynthesis
import GLMTensor
import GLMTestSupport
import Testing

/// Products with quantised inputs on several devices.
///
/// Rounding to a code is discontinuous: a sum in another order may move a code by one step, so whole models are compared
/// by the median over rows, as with the reference.
@Suite struct DeviceNumericsTests {
    /// A model of FP8 blocks of 16 columns, so that no group of inputs straddles eight devices.
    private func states(
        _ folder: TemporaryDirectory, _ layout: ParallelLayout, _ numerics: ProductArithmetic = .w8a8
    ) throws -> (attention: Tensor, hidden: [Tensor]) {
        var options = DeviceTests.options(layout)
        options.numerics = numerics
        let model = try LanguageModel.load(directory: folder.file("model"), options: options)
        defer { model.disband() }
        var caches = [model.makeCache()]
        var hidden: [Tensor] = []
        var attention: [Tensor] = []
        let prompt = (0..<40).map { Int32($0 * 37 % 500) }
        _ = model.forward([SequenceStep(tokens: prompt, logitRows: 1)], caches: &caches) { event in
            if case .hidden(_, let state) = event { hidden.append(state) }
            if case .attention(_, let output) = event { attention.append(output) }
        }
        return (attention[0], hidden)
    }

    private func make(_ folder: TemporaryDirectory) throws {
        let document = try Preset.small.document().setting(
            "quantization_config",
            [
                "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                "weight_block_size": [16, 16],
            ])
        let synthetic = try SyntheticModel(document, source: "small", format: .float8, seed: 5)
        try CheckpointWriter(synthetic, shards: 1).write(
            to: folder.file("model"), replaces: false, pool: ThreadPool(threads: 1))
    }

    /// The largest error of each row, relative to the largest value, sorted.
    private func errors(_ found: Tensor, _ expected: Tensor) -> [Float] {
        let scale = expected.values.map(abs).max() ?? 1
        return (0..<expected.rowCount).map { row in
            zip(found.row(row), expected.row(row)).map { abs($0 - $1) / scale }.max() ?? .nan
        }.sorted()
    }

    @Test func quantisedInputsAgreeWithOneDevice() throws {
        let folder = try TemporaryDirectory()
        try make(folder)
        let alone = try states(folder, .single)
        for layout in [
            ParallelLayout(tensor: 2), ParallelLayout(tensor: 8), ParallelLayout(tensor: 8, expert: 4),
            ParallelLayout(tensor: 8, data: 8), ParallelLayout(tensor: 8, data: 2),
        ] {
            let shared = try states(folder, layout)
            // Before anything was added in another order there is nothing to round otherwise.
            #expect(try #require(errors(shared.attention, alone.attention).last) < 1e-5, "\(layout)")
            for (found, expected) in zip(shared.hidden, alone.hidden) {
                #expect(errors(found, expected)[expected.rowCount / 2] < 0.05, "\(layout)")
            }
        }
        // Negative control: inputs that are not quantised are further away.
        let exact = try states(folder, .single, .float32)
        #expect(errors(exact.attention, alone.attention)[20] > 1e-3)
    }
}
