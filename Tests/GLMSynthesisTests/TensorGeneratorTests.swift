import GLMKernels
import GLMSynthesis
import GLMTensor
import GLMWeights
import Testing

@Suite struct TensorGeneratorTests {
    static func bytes(
        _ model: SyntheticModel, _ name: String, from start: Int = 0, count: Int? = nil
    ) throws -> [UInt8] {
        let specification = try #require(model.layout.tensors.first { $0.name == name })
        let generator = model.generators(for: [specification])[0]
        let elements = count ?? specification.elementCount - start
        var bytes = [UInt8](repeating: 0, count: elements * specification.type.size)
        bytes.withUnsafeMutableBytes { buffer in
            var span = MutableRawSpan(_unsafeBytes: buffer)
            generator.fill(&span, from: start)
        }
        return bytes
    }

    static func floats(_ bytes: [UInt8]) -> [Float] {
        bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// The sum of the bytes of the word that element `index` of a tensor owns, less 510, over √21845.
    static func normal(_ name: String, _ index: Int, seed: UInt64) -> Double {
        let key = CounterRandom.key(named: name.utf8)
        let random = CounterRandom(seed: seed, stream: UInt32(truncatingIfNeeded: key))
        let word = random.block(at: UInt64(index / 4), lane: UInt32(truncatingIfNeeded: key >> 32))[index % 4]
        let sum = (0..<4).reduce(0) { $0 + Int(word >> UInt32(8 * $1) & 0xFF) }
        return Double(sum - 510) / 21845.0.squareRoot()
    }

    @Test func elementsFollowTheirDefinition() throws {
        let model = try SyntheticModel(.nano, format: .float32, seed: 77)
        let queries = "model.layers.1.self_attn.q_b_proj.weight"
        for (index, value) in Self.floats(try Self.bytes(model, queries)).enumerated() {
            let expected = Self.normal(queries, index, seed: 77) * 1.6 / 72.0.squareRoot()
            #expect(abs(Double(value) - expected) < 1e-6)
        }
        let norm = "model.norm.weight"
        for (index, value) in Self.floats(try Self.bytes(model, norm)).enumerated() {
            #expect(abs(Double(value) - (1 + 0.125 * Self.normal(norm, index, seed: 77))) < 1e-6)
        }
    }

    @Test func headRowsHoldTheEmbeddingOfTheTokenBefore() throws {
        let model = try SyntheticModel(.nano, format: .float32, seed: 3)
        let follow = FollowPlan(tokens: model.tokens, vocabularySize: 512, seed: 3)
        let head = Self.floats(try Self.bytes(model, "lm_head.weight"))
        let plain = try #require(model.tokens).plainCount
        for token in [0, 1, 94, plain - 1] {
            let next = try #require(follow.successor(of: token))
            for column in [0, 1, 135] {
                let noise = Self.normal("lm_head.weight", next * 136 + column, seed: 3)
                let embedding = Self.normal("model.embed_tokens.weight", token * 136 + column, seed: 3)
                let expected = (noise + 1.5 * embedding) * 1.5 / 136.0.squareRoot()
                #expect(abs(Double(head[next * 136 + column]) - expected) < 1e-6)
            }
        }
        #expect(follow.successor(of: plain) == nil)
        let unused = head[(511 * 136)...].map(abs).max() ?? 0
        #expect(unused < 0.05)
    }

    @Test func successorsFormOneCycle() throws {
        let model = try SyntheticModel(.small, format: .bfloat16, seed: 3)
        let follow = FollowPlan(tokens: model.tokens, vocabularySize: 2048, seed: 3)
        var token = 0
        var seen: Set<Int> = []
        while seen.insert(token).inserted { token = try #require(follow.successor(of: token)) }
        #expect(seen.count == model.tokens?.plainCount)
    }

    /// Ranges that begin and end anywhere, inside segments, rows and random blocks.
    @Test(arguments: CheckpointFormat.allCases) func anyRangeIsAPieceOfTheWhole(_ format: CheckpointFormat)
        throws
    {
        let model = try SyntheticModel(.nano, format: format, seed: 1)
        for name in [
            "lm_head.weight", "model.layers.3.eh_proj.weight", "model.layers.0.mlp.down_proj.weight",
            "model.norm.weight",
        ] {
            let specification = try #require(model.layout.tensors.first { $0.name == name })
            let whole = try Self.bytes(model, name)
            let size = specification.type.size
            for start in [0, 1, 2, 3, 5, 17, 135] {
                for count in [0, 1, 3, 4, 100, specification.elementCount - start]
                where start + count <= specification.elementCount {
                    let part = try Self.bytes(model, name, from: start, count: count)
                    #expect(
                        part[...] == whole[(start * size)..<((start + count) * size)],
                        "\(name) \(start) \(count)")
                }
            }
        }
    }

    @Test func bfloat16IsFloat32Rounded() throws {
        let exact = try SyntheticModel(.nano, format: .float32, seed: 9)
        let short = try SyntheticModel(.nano, format: .bfloat16, seed: 9)
        for name in ["lm_head.weight", "model.layers.2.mlp.experts.7.up_proj.weight"] {
            let values = Self.floats(try Self.bytes(exact, name))
            let halves = try Self.bytes(short, name)
            for (index, value) in values.enumerated() {
                let stored = Float(
                    bitPattern: UInt32(halves[2 * index]) << 16 | UInt32(halves[2 * index + 1]) << 24)
                #expect(abs(stored - value) <= abs(value) * 0x1p-8)
            }
        }
    }

    @Test func codesAreAlmostNormalAndNeverNaN() throws {
        let model = try SyntheticModel(.small, format: .float8, seed: 2)
        let name = "model.layers.0.mlp.gate_proj.weight"
        let codes = try Self.bytes(model, name)
        #expect(!codes.contains { Float8E4M3.isNaN($0) })
        let values = codes.map { Double(Float8E4M3.decode($0)) }
        let mean = values.reduce(0, +) / Double(values.count)
        let deviation = (values.map { $0 * $0 }.reduce(0, +) / Double(values.count)).squareRoot()
        let scales = Self.floats(try Self.bytes(model, name + "_scale_inv"))
        #expect(abs(mean) < deviation / 50)
        #expect(values.max() == 448 && values.min() == -448)
        // 1 / √256 is wanted, ± 25 % a block.
        #expect(scales.allSatisfy { abs(Double($0) * deviation * 16 - 1) < 0.3 })
        #expect(Set(scales).count == scales.count)
    }
}
