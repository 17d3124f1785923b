import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import Testing

/// What a forward pass costs, from the configuration alone and the experts that were touched.
private struct ClosedForm {
    let c: GLMConfiguration
    /// Bytes of a weight.
    let size: Int
    /// Rows of the pass, the first at position `start`.
    let rows: Int
    let start: Int
    let logitRows: Int
    /// Distinct experts over all sparse layers.
    let experts: Int

    private var layers: Int { c.layerCount }
    private var sparseLayers: Int { c.feedForwards.filter { $0 == .sparse }.count }
    private var positions: Range<Int> { start..<(start + rows) }
    private var scored: [Int] { positions.map { $0 + 1 }.filter { $0 > c.indexTopK } }
    private var keys: Int { positions.reduce(0) { $0 + min($1 + 1, c.indexTopK) } }

    /// Elements of the weights every row of a layer is multiplied with, expert and head apart.
    private var attentionWeights: Int {
        let (h, heads, q) = (c.hiddenSize, c.headCount, c.queryRank)
        let query = q * h + heads * c.headDimension * q
        let latent = (c.latentRank + c.ropeDimension) * h
        let up = heads * (c.nopeDimension + c.valueDimension) * c.latentRank
        return query + latent + up + h * heads * c.valueDimension + c.indexHeadDimension * h
    }
    private var indexQueryWeights: Int {
        scored.isEmpty
            ? 0 : c.indexHeadCount * c.indexHeadDimension * c.queryRank + c.indexHeadCount * c.hiddenSize
    }
    private var expertWeights: Int { 3 * c.hiddenSize * c.expertIntermediateSize }
    private var feedForwardWeights: Int {
        (layers - sparseLayers) * 3 * c.hiddenSize * c.denseIntermediateSize
            + sparseLayers * (c.routedExpertCount * c.hiddenSize + c.sharedExpertCount * expertWeights)
    }
    private var headWeights: Int { c.vocabularySize * c.hiddenSize }

    var work: Work {
        let common = layers * (attentionWeights + indexQueryWeights) + feedForwardWeights
        let routed = sparseLayers * c.expertsPerToken * expertWeights
        let attention = keys * c.headCount * (2 * c.latentRank + c.ropeDimension)
        let scores = scored.reduce(0, +) * c.indexHeadCount * c.indexHeadDimension
        let operations =
            2 * (rows * (common + routed) + logitRows * headWeights + layers * (attention + scores))
        let read = rows == 1 ? min(start + 1, c.indexTopK) : start + rows
        let cache = read * (c.latentRank + c.ropeDimension) + (scored.max() ?? 0) * c.indexHeadDimension
        let weights =
            common + experts * expertWeights + (logitRows > 0 ? headWeights : 0) + rows * c.hiddenSize
        return Work(bytes: size * weights + 4 * layers * cache, operations: operations)
    }
}

/// Experts touched in all layers together, told by a second run that is traced.
private func distinctExperts(_ model: LanguageModel, _ step: SequenceStep, behind cache: SequenceCache) -> Int
{
    var caches = [cache]
    var count = 0
    _ = model.forward([step], caches: &caches) { event in
        if case .routing(_, _, let routing) = event { count += Set(routing.experts).count }
    }
    return count
}

@Test func workEqualsAClosedForm() throws {
    let profile = Profile()
    var options = LoadOptions(threads: 2)
    options.profile = profile
    let model = try LanguageModel.load(directory: NoiseModel.directory(), options: options)
    #expect(model.configuration.indexTopK == 16)
    var caches = [model.makeCache()]
    // Dense rows alone; one token; rows on both sides of top-k; one token beyond it; nobody reads the head.
    for (rows, logitRows) in [(7, 1), (1, 1), (12, 3), (1, 1), (5, 0)] {
        let start = caches[0].length
        let step = SequenceStep(
            tokens: (0..<rows).map { Int32((start + $0) * 37 % 300) }, logitRows: logitRows)
        let experts = distinctExperts(model, step, behind: caches[0])
        profile.reset()
        _ = model.forward([step], caches: &caches)
        let form = ClosedForm(
            c: model.configuration, size: 2, rows: rows, start: start, logitRows: logitRows, experts: experts)
        #expect(profile.work == form.work, "\(rows) rows at \(start)")
        #expect(profile.phases.map(\.name) == [rows == 1 ? "decode" : "prefill"])
    }
}

@Test func cacheRowsCountInTheirFormat() throws {
    func bytes(_ format: CacheFormat) throws -> Int {
        let profile = Profile()
        var options = LoadOptions(threads: 1, cacheFormat: format)
        options.profile = profile
        let model = try LanguageModel.load(directory: NoiseModel.directory(), options: options)
        var caches = [model.makeCache()]
        // One token behind 20: 16 rows of attention and 21 of index keys in each layer.
        _ = model.forward([SequenceStep(tokens: (0..<20).map { $0 }, logitRows: 0)], caches: &caches)
        profile.reset()
        _ = model.forward([SequenceStep(tokens: [7], logitRows: 1)], caches: &caches)
        let kept = profile.entries.filter { ["attention", "indexScores"].contains($0.key.operation) }
        return kept.reduce(0) { $0 + $1.work.bytes }
    }
    let floats = 3 * (16 * (48 + 8) + 21 * 24)
    #expect(try bytes(.float32) == 4 * floats)
    #expect(try bytes(.bfloat16) == 2 * floats)
}

@Test func aBatchReadsWeightsOnce() throws {
    let profile = Profile()
    var options = LoadOptions(threads: 1)
    options.profile = profile
    let model = try LanguageModel.load(directory: NoiseModel.directory(), options: options)
    let step = SequenceStep(tokens: [5], logitRows: 1)
    func work(_ sequences: Int) -> Work {
        var caches = (0..<sequences).map { _ in model.makeCache() }
        profile.reset()
        _ = model.forward([SequenceStep](repeating: step, count: sequences), caches: &caches)
        return profile.work
    }
    let c = model.configuration
    let one = work(1), three = work(3)
    #expect(three.operations == 3 * one.operations)
    // Equal tokens choose equal experts: only embedding rows and cache rows are read again.
    let again = 2 * c.hiddenSize + 4 * c.layerCount * (c.latentRank + c.ropeDimension)
    #expect(three.bytes == one.bytes + 2 * again)
}

@Test func everyOperationOfAPassIsNamed() throws {
    let profile = Profile()
    var options = LoadOptions(threads: 1)
    options.profile = profile
    let model = try LanguageModel.load(directory: NoiseModel.directory(), options: options)
    var caches = [model.makeCache()]
    _ = model.forward([SequenceStep(tokens: (0..<20).map { $0 }, logitRows: 1)], caches: &caches)
    let trunk = Set(Operation.allCases.filter { $0 != .draftInput && $0 != .draftCache }.map(\.rawValue))
    #expect(Set(profile.entries.map(\.key.operation)) == trunk)
    let layers = Set(profile.entries.compactMap(\.key.layer))
    #expect(layers == Set(0..<model.configuration.layerCount))
}

@Test func aBenchmarkCountsWhatItRuns() throws {
    let profile = Profile()
    var options = LoadOptions(threads: 2)
    options.profile = profile
    let model = try LanguageModel.load(directory: NoiseModel.directory(), options: options)
    let probe = MachineProbe(blas: nil, pool: model.compute.pool, bufferBytes: 1 << 22)
    let runner = BenchmarkRunner(model: model, profile: profile, probe: probe, chunk: 8)
    let tests: [(BenchmarkTest, passes: Int, rows: Int)] = [
        (.prefill(tokens: 20, depth: 3), 3, 20), (.decode(tokens: 4, depth: 17, sequences: 1), 4, 4),
        (.decode(tokens: 3, depth: 2, sequences: 5), 3, 15),
    ]
    for (test, passes, rows) in tests {
        let result = runner.run(test, repetitions: 2)
        #expect(result.repetitions.count == 2)
        #expect(result.repetitions[0].work == result.repetitions[1].work)
        #expect(result.repetitions.allSatisfy { $0.tokens == rows && $0.seconds > 0 && $0.shareOfLimit > 0 })
        #expect(profile.phases.reduce(0) { $0 + $1.passes } == 2 * passes)
        #expect(profile.phases.reduce(0) { $0 + $1.tokens } == 2 * rows)
    }
}
