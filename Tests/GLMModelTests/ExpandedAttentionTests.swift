import Foundation
import GLMKernels
import GLMModel
import GLMTensor
import GLMTestSupport
import GLMWeights
import Testing

/// The expanded evaluation of latent attention, in Double and without a cache: keys and values of every head
/// are materialised. The oracle of the absorbed evaluation.
struct ExpandedAttention {
    let attention: SparseAttention
    let configuration: GLMConfiguration
    var scale: Double

    init(_ attention: SparseAttention, _ configuration: GLMConfiguration) {
        self.attention = attention
        self.configuration = configuration
        scale = 1 / Double(configuration.headDimension).squareRoot()
    }

    /// `[rows, hidden]` for rows at positions 0…, attending to `keys`.
    func callAsFunction(_ x: Tensor, keys: KeySelection) -> [Double] {
        let c = configuration
        let rows = x.rowCount
        let queries = attention.queryUp(attention.queryNorm(attention.queryDown(x)))
        let z = attention.latentDown(x)
        let latents = attention.latentNorm(z.columns(0..<c.latentRank))
        let perHead = c.nopeDimension + c.valueDimension
        // kv[t][h·(P+V) + i] = W^UKV c_t
        let expanded = (0..<rows).map { (row: Int) -> [Double] in
            let latent = latents.row(row).map(Double.init)
            return (0..<(c.headCount * perHead)).map {
                dot(attention.latentUp.row($0).map(Double.init), latent)
            }
        }
        let ropeKeys = (0..<rows).map { rotate(Array(z.row($0).dropFirst(c.latentRank)), position: $0) }
        var heads = [Float](repeating: 0, count: rows * c.headCount * c.valueDimension)
        for row in 0..<rows {
            let chosen: [Int] =
                switch keys[row] {
                case .all(let count): Array(0..<count)
                case .positions(let positions): positions.map(Int.init)
                }
            for head in 0..<c.headCount {
                let query = Array(queries.row(row))[(head * c.headDimension)..<((head + 1) * c.headDimension)]
                let nope = query.prefix(c.nopeDimension).map(Double.init)
                let rope = rotate(query.dropFirst(c.nopeDimension).map { $0 }, position: row)
                let scores = chosen.map { key in
                    let keyNope = expanded[key][(head * perHead)..<(head * perHead + c.nopeDimension)]
                    return (dot(nope, Array(keyNope)) + dot(rope, ropeKeys[key])) * scale
                }
                let largest = scores.max() ?? 0
                let weights = scores.map { exp($0 - largest) }
                let sum = weights.reduce(0, +)
                for value in 0..<c.valueDimension {
                    let place = head * perHead + c.nopeDimension + value
                    let mixed = dot(weights, chosen.map { expanded[$0][place] }) / sum
                    heads[(row * c.headCount + head) * c.valueDimension + value] = Float(mixed)
                }
            }
        }
        return attention.output(Tensor(shape: [rows, c.headCount * c.valueDimension], values: heads)).values
            .map(Double.init)
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    private func rotate(_ x: [Float], position: Int) -> [Double] {
        let angles = RotaryEmbedding(theta: configuration.ropeTheta, dimension: configuration.ropeDimension)
            .angles(at: [position])
        var y = x.map(Double.init)
        for pair in 0..<angles.pairs {
            let (cosine, sine) = (Double(angles.cosines[pair]), Double(angles.sines[pair]))
            y[2 * pair] = Double(x[2 * pair]) * cosine - Double(x[2 * pair + 1]) * sine
            y[2 * pair + 1] = Double(x[2 * pair + 1]) * cosine + Double(x[2 * pair]) * sine
        }
        return y
    }
}

@Suite struct ExpandedAttentionTests {
    /// Absorbed and expanded differ by rounding only: 1e-5 of the largest output.
    static let relativeTolerance = 1e-5

    static func largestRelativeError(_ checkpoint: GoldenCheckpoint, scaledBy factor: Double) throws -> Double
    {
        let model = try checkpoint.load()
        let rows = 30
        let prompt = checkpoint.prompt(rows, for: model)
        var worst = 0.0
        for (index, layer) in model.transformer.layers.enumerated() {
            let x = layer.inputNorm(model.transformer.embed(prompt))
            var caches = [model.makeCache()]
            let batch = RaggedBatch(counts: [rows], caches: caches, rotary: model.transformer.rotary)
            caches[0].reserve(rows)
            let (absorbed, keys) = layer.attention(
                x, layer: index, batch: batch, caches: &caches,
                selection: KeySelection(denseOver: batch.visibleKeys), trace: nil)
            var oracle = ExpandedAttention(layer.attention, model.configuration)
            oracle.scale *= factor
            let expanded = oracle(x, keys: keys)
            let largest = expanded.map { abs($0) }.max() ?? 1
            for (a, b) in zip(absorbed.values, expanded) { worst = max(worst, abs(Double(a) - b) / largest) }
        }
        return worst
    }

    @Test(arguments: GoldenCheckpoint.all)
    func absorbedEqualsExpanded(checkpoint: GoldenCheckpoint) throws {
        #expect(try Self.largestRelativeError(checkpoint, scaledBy: 1) <= Self.relativeTolerance)
        // Negative control: a scale wrong by a thousandth is noticed.
        #expect(try Self.largestRelativeError(checkpoint, scaledBy: 1.001) > Self.relativeTolerance)
    }
}
