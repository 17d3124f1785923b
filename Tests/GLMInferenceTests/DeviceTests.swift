import Foundation
import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import GLMParallel
import GLMTensor
import GLMTestSupport
import Testing

/// One model on several devices gives what it gives on one.
@Suite struct DeviceTests {
    static let root = GoldenVerifierTests.root
    /// Cases with 8 heads and widths that divide by 8: BF16, and FP8 with odd block edges.
    static let cases = ["fresh-eight", "eight-edges"]
    static let layouts = [
        ParallelLayout(tensor: 2), ParallelLayout(tensor: 4), ParallelLayout(tensor: 8),
        ParallelLayout(tensor: 2, expert: 2), ParallelLayout(tensor: 4, expert: 4),
        ParallelLayout(tensor: 8, expert: 2), ParallelLayout(tensor: 8, expert: 4),
        ParallelLayout(tensor: 8, expert: 8),
    ]

    static func options(_ layout: ParallelLayout) -> LoadOptions {
        var options = LoadOptions(threads: 1)
        options.devices.layout = layout
        options.devices.timeout = .seconds(120)
        return options
    }

    /// Sets and tokens exactly, logits to the tolerance of one device: prefill, decode, greedy, drafts and rounds.
    @Test(arguments: cases, layouts)
    func agreesWithTheReference(name: String, layout: ParallelLayout) throws {
        let report = try GoldenVerifier(directory: "\(Self.root)/\(name)").verify(
            options: Self.options(layout))
        for row in report.rows where row.outcome != .pass {
            Issue.record("\(name) \(layout) \(row.quantity): \(row.largestError ?? .nan) \(row.detail)")
        }
        #expect(report.rows.count >= 20)
        #expect(report.rows.contains { $0.quantity == "greedy.tokens" && $0.outcome == .pass })
        #expect(report.rows.contains { $0.quantity == "spec.rounds" && $0.outcome == .pass })
    }

    @Test(arguments: [("tiny", 2), ("tiny", 4), ("fp8-edge", 2)])
    func olderCasesRunWhereTheyDivide(name: String, devices: Int) throws {
        let report = try GoldenVerifier(directory: "\(Self.root)/\(name)").verify(
            options: Self.options(ParallelLayout(tensor: devices)))
        #expect(report.rows.filter { $0.outcome == .fail }.map(\.quantity) == [])
    }

    @Test func widthsThatDoNotDivideAreNamed() throws {
        expectRefused(.usage, containing: "num_attention_heads 4 does not divide by 8", "1, 2 or 4") {
            try load("tiny/bf16", ParallelLayout(tensor: 8))
        }
        expectRefused(
            .usage, containing: "vocab_size 131", "num_attention_heads 3",
            "a division by 1: nothing else would do"
        ) {
            try load("shared-odd/bf16", ParallelLayout(tensor: 2))
        }
        var odd = try load("fresh-eight/bf16", .single).configuration
        odd.routedExpertCount = 12
        expectRefused(.usage, containing: "--ep-size: n_routed_experts 12 does not divide by 8") {
            try odd.check(ParallelLayout(tensor: 8, expert: 8))
        }
        expectRefused(.usage, containing: "--numerics w8a8", "multiples of 128") {
            try load("eight-edges/fp8", ParallelLayout(tensor: 8), numerics: .w8a8)
        }
    }

    @discardableResult
    private func load(
        _ folder: String, _ layout: ParallelLayout, numerics: ProductArithmetic = .float32,
        profile: Profile? = nil
    ) throws -> LanguageModel {
        var options = Self.options(layout)
        options.numerics = numerics
        options.profile = profile
        return try LanguageModel.load(directory: "\(Self.root)/\(folder)", options: options)
    }

    /// Bits do not depend on how often a layout is run, and eight devices differ from one in last bits only.
    @Test(arguments: ["fresh-eight/bf16", "eight-edges/fp8"])
    func resultsAreReproducible(folder: String) throws {
        let prompt = (0..<29).map { Int32($0 * 5 % 50) }
        let results = try [1, 8, 8].map { devices in
            let model = try load(folder, ParallelLayout(tensor: devices))
            var caches = [model.makeCache()]
            return model.forward([SequenceStep(tokens: prompt, logitRows: 29)], caches: &caches).logits
        }
        #expect(results[1] == results[2])
        expectClose(results[1].values, results[0].values, tolerance: 1e-4)
    }

    /// Shares that are copied while loading, and the same read where they lie, as in a model that is loaded lazily: the same bits.
    @Test(arguments: ["fresh-eight/bf16", "eight-edges/fp8"], [2, 8])
    func copiedSharesGiveTheSameBits(folder: String, devices: Int) throws {
        let prompt = (0..<29).map { Int32($0 * 5 % 50) }
        let results = try [false, true].map { lazy in
            var options = Self.options(ParallelLayout(tensor: devices))
            options.lazy = lazy
            let model = try LanguageModel.load(directory: "\(Self.root)/\(folder)", options: options)
            // Both ways were taken.
            #expect(model.copiedTensors.isEmpty == lazy)
            var caches = [model.makeCache()]
            let first = model.forward([SequenceStep(tokens: prompt, logitRows: 29)], caches: &caches).logits
            return [first, model.forward([SequenceStep(tokens: [3], logitRows: 1)], caches: &caches).logits]
        }
        #expect(results[0] == results[1])
    }

    /// Two all-reduces a layer, one for the embedding, one gather of logits: on every device, and with the bytes of
    /// the closed form. The MTP layer adds two, one and one.
    @Test(arguments: [ParallelLayout(tensor: 8), ParallelLayout(tensor: 4, expert: 2)])
    func trafficIsThatOfTheSpecification(layout: ParallelLayout) throws {
        let model = try load("fresh-eight/bf16", layout)
        var caches = [model.makeCache(), model.makeCache()]
        let steps = [
            SequenceStep(tokens: [1, 2, 3], logitRows: 1), SequenceStep(tokens: [4, 5, 6, 7], logitRows: 2),
        ]
        let output = model.forward(steps, caches: &caches)
        var drafts = [model.makeDraftCache()]
        _ = model.draft([EagleStep(tokens: [5, 6, 7], hidden: output.hidden, logitRows: 1)], caches: &drafts)
        let (h, v) = (model.configuration.hiddenSize, model.configuration.vocabularySize)
        var expected: [TrafficLedger.Key: (calls: Int, elements: Int)] = [
            TrafficLedger.Key(.allReduce, CollectiveSite(.embedding)): (2, (7 + 3) * h),
            TrafficLedger.Key(.allGather, CollectiveSite(.logits)): (2, (3 + 1) * v),
        ]
        for layer in 0...3 {
            for operation in [CollectiveSite.Operation.attention, .feedForward] {
                let key = TrafficLedger.Key(.allReduce, CollectiveSite(operation, layer: layer))
                // Of the MTP layer only the row that is read goes through attention and experts.
                expected[key] = (1, (layer < 3 ? 7 : 1) * h)
            }
        }
        let reports = model.deviceReports()
        #expect(reports.count == layout.tensor)
        for report in reports {
            let model = report.traffic.filter { ![.command, .report].contains($0.key.site.operation) }
            #expect(model.count == expected.count)
            for entry in model {
                #expect(entry.calls == expected[entry.key]?.calls, "\(entry.key)")
                #expect(entry.bytes == expected[entry.key].map { 4 * $0.elements }, "\(entry.key)")
            }
        }
    }

    /// What each device multiplies while a sequence is read in passes of so many tokens, and what of it every device repeats.
    private func work(
        _ folder: String, _ layout: ParallelLayout, passes: [Int]
    ) throws -> (devices: [Int], replicated: Int) {
        let model = try load(folder, layout, profile: Profile())
        var caches = [model.makeCache()]
        let tokens = passes.reduce(0, +)
        var prompt = (0..<tokens).map { Int32($0 * 7 % 50) }[...]
        for pass in passes {
            let step = SequenceStep(tokens: Array(prompt.prefix(pass)), logitRows: pass)
            _ = model.forward([step], caches: &caches)
            prompt = prompt.dropFirst(pass)
        }
        let c = model.configuration
        // W^DQ, W^DKV, the router, and an indexer's products and scores, which only a pass with a row of many keys has.
        var replicated = 0
        for layer in 0..<c.layerCount {
            replicated += tokens * c.hiddenSize * (c.queryRank + c.latentRank + c.ropeDimension)
            if c.feedForward(ofLayer: layer) == .sparse {
                replicated += tokens * c.hiddenSize * c.routedExpertCount
            }
            guard c.indexer(ofLayer: layer) == .full else { continue }
            replicated += tokens * c.indexHeadDimension * c.hiddenSize
            var seen = 0
            for pass in passes {
                let scored = (seen + 1...seen + pass).filter { $0 > c.indexTopK }
                seen += pass
                if scored.isEmpty { continue }
                replicated += pass * c.indexHeadCount * (c.indexHeadDimension * c.queryRank + c.hiddenSize)
                replicated += scored.reduce(0, +) * c.indexHeadCount * c.indexHeadDimension
            }
        }
        return (model.deviceReports().map { $0.work.operations / 2 }, replicated)
    }

    /// Every device multiplies its share of what is cut, and all of what is replicated: no more and no less, whether a prompt
    /// is read at once, in chunks, or token by token at its end.
    @Test(arguments: ["fresh-eight/bf16", "eight-edges/fp8"], [[30], [17, 11, 1, 1]])
    func workIsAShare(folder: String, passes: [Int]) throws {
        let whole = try work(folder, .single, passes: passes).devices[0]
        for devices in [2, 8] {
            let (found, replicated) = try work(folder, ParallelLayout(tensor: devices), passes: passes)
            let share = replicated + (whole - replicated) / devices
            #expect(
                found == [Int](repeating: share, count: devices),
                "\(share) of \(whole), \(replicated) replicated")
        }
    }

    /// Groups with experts of their own multiply what the router sends them: in all no more than one device, beside what each
    /// repeats; and not all the same, as they would if everyone computed everything.
    @Test(arguments: [[30], [17, 11, 1, 1]], [2, 4, 8])
    func workOfExpertsIsShared(passes: [Int], experts: Int) throws {
        let folder = "fresh-eight/bf16"
        let whole = try work(folder, .single, passes: passes).devices[0]
        let (found, replicated) = try work(
            folder, ParallelLayout(tensor: 8, expert: experts), passes: passes)
        #expect(found.reduce(0, +) == whole + 7 * replicated)
        #expect(Set(found).count > 1)
        // Devices of a group share its experts.
        for first in stride(from: 0, to: 8, by: 8 / experts) {
            #expect(Set(found[first..<first + 8 / experts]).count == 1)
        }
    }

    /// Sequences that are forked, cut back and forgotten: what the first device does to a cache, all do.
    @Test func cachesFollow() throws {
        func play(_ layout: ParallelLayout) throws -> [Float] {
            let model = try load("fresh-eight/bf16", layout)
            var results: [Float] = []
            func feed(_ tokens: [Int32], _ cache: inout SequenceCache) {
                var caches = [cache]
                cache = model.makeCache()
                results +=
                    model.forward([SequenceStep(tokens: tokens, logitRows: 1)], caches: &caches).logits.values
                cache = caches[0]
            }
            var first = model.makeCache()
            feed(Array(0..<70), &first)
            var second = first
            feed([9, 8, 7], &first)
            feed([1, 2], &second)
            first.truncate(to: 66)
            var third = first
            third.truncate(to: 3)
            feed([4], &first)
            feed([5], &third)
            feed([6], &second)
            first = model.makeCache()
            feed([7], &first)
            return results
        }
        expectClose(try play(ParallelLayout(tensor: 8)), try play(.single), tolerance: 1e-4)
    }

    /// Several requests in one batch, as the engine runs them, sampled: the texts of one device.
    @Test func batchesGiveTheSameTokens() async throws {
        func answers(_ layout: ParallelLayout) async throws -> [[Int32]] {
            let model = try load("fresh-eight/bf16", layout)
            var caches = (0..<4).map { _ in model.makeCache() }
            var tokens: [[Int32]] = (0..<4).map { [Int32($0 + 1), 17] }
            var steps = tokens.map { SequenceStep(tokens: $0, logitRows: 1) }
            for _ in 0..<20 {
                let logits = model.forward(steps, caches: &caches).logits
                for index in tokens.indices {
                    let row = Array(logits.row(index))
                    let best = row.indices.max { row[$0] < row[$1] } ?? 0
                    tokens[index].append(Int32(best))
                    steps[index] = SequenceStep(tokens: [Int32(best)], logitRows: 1)
                }
            }
            return tokens
        }
        let alone = try await answers(.single)
        let shared = try await answers(ParallelLayout(tensor: 8, expert: 4))
        #expect(alone == shared)
    }
}
