import GLMFiles
import GLMModel
import GLMTensor

/// Computes what a golden file says of products with quantised inputs, each piece from its golden input.
///
/// Rounding to a code is discontinuous, so errors must not pile up: every layer is given the golden hidden
/// state before it, and its selection and experts are those that follow from that state.
struct GoldenQuantization {
    private let model: LanguageModel
    private let goldens: [String: GoldenArray]
    private let file: String

    /// - Parameter model: the FP8 checkpoint, loaded with `w8a8`.
    init(_ model: LanguageModel, goldens: [String: GoldenArray], file: String) {
        self.model = model
        self.goldens = goldens
        self.file = file
    }

    var configuration: GLMConfiguration { model.configuration }

    /// `fp8.gemm.*`: one product with the first layer's `down_proj`; nothing where that layer is sparse.
    func product() throws(InputError) -> [String: GoldenArray] {
        guard goldens["fp8.gemm.input"] != nil, let layer = model.transformer.layers.first,
            case .dense(let mlp) = layer.feedForward, let block = configuration.weightBlock?.columns
        else { return [:] }
        let down = mlp.down, width = down.weight.columns
        let input = try tensor("fp8.gemm.input", [nil, width])
        let blocks = (width + block - 1) / block
        var codes: [Float] = []
        var scales: [Float] = []
        for row in 0..<input.rowCount {
            let (values, multipliers) = model.compute.quantized(Array(input.row(row)), block: block)
            codes += values
            scales += multipliers
        }
        let tail = max(0, down.weight.rows - 16)..<down.weight.rows
        return [
            "fp8.gemm.act_q": GoldenArray(shape: input.shape, values: .float(codes)),
            "fp8.gemm.act_scale": GoldenArray(shape: [input.rowCount, blocks], values: .float(scales)),
            "fp8.gemm.output": array(down(input)),
            "fp8.gemm.weight_dequant_tail": GoldenArray(
                shape: [tail.count, width], values: .float(tail.flatMap { down.weight.row($0) })),
        ]
    }

    /// `fp8.w8a8.*`: the embedding of `tokens`, each layer on the golden hidden state before it, and the
    /// logits of the golden last one.
    func layers(tokens: [Int32]) throws(InputError) -> [String: GoldenArray] {
        guard goldens["fp8.w8a8.hidden"] != nil else { return [:] }
        let (rows, width) = (tokens.count, configuration.hiddenSize)
        let golden = try tensor("fp8.w8a8.hidden", [configuration.layerCount + 1, rows, width])
        func state(_ index: Int) -> Tensor {
            Tensor(
                shape: [rows, width],
                values: Array(golden.values[(index * rows * width)..<((index + 1) * rows * width)]))
        }
        var hidden = [model.transformer.embed(tokens).values]
        var recorder = GoldenRecorder()
        var selection: KeySelection?
        for (index, layer) in model.transformer.layers.enumerated() {
            var caches = [model.makeCache()]
            let batch = RaggedBatch(counts: [rows], caches: caches, rotary: model.transformer.rotary)
            caches[0].reserve(rows)
            let (output, keys) = layer(
                state(index), layer: index, batch: batch, caches: &caches, selection: selection,
                trace: { recorder.record($0) })
            hidden.append(output.values)
            selection = keys
        }
        let logits = model.transformer.head(model.transformer.finalNorm(state(configuration.layerCount)))
        return [
            "fp8.w8a8.hidden": .stack(hidden, shape: [rows, width]),
            "fp8.w8a8.logits": array(logits),
            "fp8.w8a8.selected": GoldenRecorder.membership(recorder.selections, keys: rows),
            "fp8.w8a8.experts": GoldenArray(
                shape: [recorder.routerLayers.count, rows, configuration.expertsPerToken],
                values: .integer(recorder.experts.flatMap { $0 })),
        ]
    }

    private func array(_ tensor: Tensor) -> GoldenArray {
        GoldenArray(shape: tensor.shape, values: .float(tensor.values))
    }

    /// A golden that is an input: its shape is checked before it indexes anything; nil extents are free.
    private func tensor(_ name: String, _ shape: [Int?]) throws(InputError) -> Tensor {
        guard let array = goldens[name], case .float(let values) = array.values,
            array.shape.count == shape.count, !values.isEmpty,
            zip(array.shape, shape).allSatisfy({ $1 == nil || $0 == $1 })
        else {
            let wanted = shape.map { $0.map { "\($0)" } ?? "any" }.joined(separator: ", ")
            throw InputError(
                .badInput, file: file, subject: name,
                found: goldens[name].map { "shape \($0.shape)" } ?? "nothing",
                expected: "floats [\(wanted)]")
        }
        return Tensor(shape: array.shape, values: values)
    }
}
