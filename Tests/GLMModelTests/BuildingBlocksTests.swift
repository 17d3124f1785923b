import GLMFiles
import GLMKernels
import GLMModel
import GLMTensor
import GLMTestSupport
import GLMWeights
import Testing

/// Each block alone, made from weights of one's own through the public interface, fed the reference's stored
/// input of its layer and compared with the stored output.
@Suite struct BuildingBlocksTests {
    /// One layer of a golden case: what goes in and what comes out.
    struct Layer {
        let checkpoint: Checkpoint
        let configuration: GLMConfiguration
        let index: Int
        let hidden: Tensor
        let attention: Tensor
        let output: Tensor
        let experts: [Int]
        let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: 2))

        init(_ case: GoldenCheckpoint, layer: Int) throws {
            checkpoint = try Checkpoint.open(directory: `case`.directory)
            configuration = try GLMConfiguration.load(path: `case`.directory + "/config.json")
            index = layer
            let golden = try SafetensorsFile.open(path: `case`.folder + "/golden.safetensors")
            func slice(_ name: String, _ at: Int) throws -> Tensor {
                let tensor = try #require(golden[ByteString(name)])
                let size = tensor.shape[1] * tensor.shape[2]
                return Tensor(
                    shape: Array(tensor.shape[1...]),
                    values: Array(try tensor.floats()[(at * size)..<((at + 1) * size)]))
            }
            hidden = try slice("long.hidden", layer)
            attention = try slice("long.attn_out", layer)
            output = try slice("long.hidden", layer + 1)
            let routed = try #require(golden["long.experts"])
            let sparse = try #require(golden["long.router_layers"]).integers()
            let size = routed.shape[1] * routed.shape[2]
            let place = sparse.firstIndex(of: layer) ?? 0
            experts = Array(try routed.integers()[(place * size)..<((place + 1) * size)])
        }

        func vector(_ name: String) throws -> [Float] {
            try #require(checkpoint[ByteString("model.layers.\(index).\(name)")]).floats()
        }

        func matrix(_ name: String) throws -> WeightMatrix {
            let full = "model.layers.\(index).\(name).weight"
            let tensor = try #require(checkpoint[ByteString(full)])
            let (rows, columns) = (tensor.shape[0], tensor.shape[1])
            guard let scales = checkpoint[ByteString(full + "_scale_inv")] else {
                return WeightMatrix(Tensor(shape: tensor.shape, values: try tensor.floats()))
            }
            return WeightMatrix(
                codes: Array(tensor.bytes), scales: Tensor(shape: scales.shape, values: try scales.floats()),
                rows: rows, columns: columns, blockRows: 128, blockColumns: 128)
        }

        func norm(_ x: Tensor, _ name: String) throws -> Tensor {
            let weight = try vector(name + ".weight")
            let norm = RMSNorm(weight: weight, epsilon: configuration.rmsNormEpsilon, compute: compute)
            return norm(x)
        }

        func mlp(_ prefix: String) throws -> GatedMLP {
            GatedMLP(
                gate: try matrix(prefix + ".gate_proj"), up: try matrix(prefix + ".up_proj"),
                down: try matrix(prefix + ".down_proj"), compute: compute)
        }
    }

    static func attention(_ layer: Layer, topK: Int) throws -> SparseAttention {
        let c = layer.configuration
        let indexer = LightningIndexer(
            weights: .init(
                queryUp: try layer.matrix("self_attn.indexer.wq_b"),
                keyDown: try layer.matrix("self_attn.indexer.wk"),
                keyNormWeight: try layer.vector("self_attn.indexer.k_norm.weight"),
                keyNormBias: try layer.vector("self_attn.indexer.k_norm.bias"),
                headWeights: try layer.matrix("self_attn.indexer.weights_proj")),
            ropeDimension: c.ropeDimension, topK: topK, compute: layer.compute)
        return SparseAttention(
            weights: .init(
                queryDown: try layer.matrix("self_attn.q_a_proj"),
                queryNorm: try layer.vector("self_attn.q_a_layernorm.weight"),
                queryUp: try layer.matrix("self_attn.q_b_proj"),
                latentDown: try layer.matrix("self_attn.kv_a_proj_with_mqa"),
                latentNorm: try layer.vector("self_attn.kv_a_layernorm.weight"),
                latentUp: try layer.matrix("self_attn.kv_b_proj"),
                output: try layer.matrix("self_attn.o_proj")),
            shape: .init(
                heads: c.headCount, nope: c.nopeDimension, rope: c.ropeDimension, value: c.valueDimension,
                latentRank: c.latentRank),
            indexer: indexer, latentNormEpsilon: 1e-6, compute: layer.compute)
    }

    /// As for the whole stack: two independent Float32 implementations differ by up to 1.1e-5.
    static let tolerance: Float = 5e-5

    static func largestError(_ a: Tensor, _ b: Tensor) -> Float {
        zip(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    @Test(arguments: [(GoldenCheckpoint.tiny, 2), (.sharedOdd, 4), (.fp8Edge, 1)])
    func attentionAlone(checkpoint: GoldenCheckpoint, index: Int) throws {
        let layer = try Layer(checkpoint, layer: index)
        let x = try layer.norm(layer.hidden, "input_layernorm")
        let c = layer.configuration
        let (output, selection) = try Self.attention(layer, topK: c.indexTopK)(x, ropeTheta: c.ropeTheta)
        #expect(Self.largestError(output, layer.attention) <= Self.tolerance)
        #expect((0..<selection.rowCount).contains { !selection.isDense($0) })
        // Negative control: one key fewer is noticed.
        let (other, _) = try Self.attention(layer, topK: c.indexTopK - 1)(x, ropeTheta: c.ropeTheta)
        #expect(Self.largestError(other, layer.attention) > Self.tolerance)
    }

    @Test(arguments: [(GoldenCheckpoint.tiny, 2), (.sharedOdd, 4), (.fp8Edge, 1)])
    func expertsAlone(checkpoint: GoldenCheckpoint, index: Int) throws {
        let layer = try Layer(checkpoint, layer: index)
        let c = layer.configuration
        let residual = layer.compute.add(layer.hidden, layer.attention)
        let x = try layer.norm(residual, "post_attention_layernorm")
        let gate = try layer.matrix("mlp.gate").dequantized()
        let router = Router(
            gate: gate, correctionBias: try layer.vector("mlp.gate.e_score_correction_bias"),
            groups: c.expertGroupCount, groupsPerToken: c.groupsPerToken, expertsPerToken: c.expertsPerToken,
            normalizes: c.normalizesExpertWeights, scaling: c.routedScalingFactor, compute: layer.compute)
        #expect(router(x).routing.experts.map(Int.init) == layer.experts)
        let experts = try (0..<c.routedExpertCount).map { try layer.mlp("mlp.experts.\($0)") }
        let shared = try layer.mlp("mlp.shared_experts")
        let mixture = MixtureOfExperts(
            router: router, experts: experts, shared: shared, compute: layer.compute)
        #expect(Self.largestError(layer.compute.add(residual, mixture(x)), layer.output) <= Self.tolerance)
        // Negative control: experts in another order are noticed.
        let wrong = MixtureOfExperts(
            router: router, experts: experts.reversed(), shared: shared, compute: layer.compute)
        #expect(Self.largestError(layer.compute.add(residual, wrong(x)), layer.output) > Self.tolerance)
    }

    /// The indexer alone chooses what the layer chooses.
    @Test func indexerAlone() throws {
        let layer = try Layer(.tiny, layer: 1)
        let c = layer.configuration
        let x = try layer.norm(layer.hidden, "input_layernorm")
        let attention = try Self.attention(layer, topK: c.indexTopK)
        let latent = attention.queryNorm(attention.queryDown(x))
        let indexer = try #require(attention.indexer)
        let alone = indexer(x, queryLatent: latent, ropeTheta: c.ropeTheta)
        #expect(alone == attention(x, ropeTheta: c.ropeTheta).selection)
        #expect(alone != indexer(x, queryLatent: latent, ropeTheta: 2))
    }
}
