import Foundation
import GLMDecoding
import GLMEngine
import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import GLMParallel
import GLMTensor
import GLMTestSupport
import Testing

/// Groups of devices that serve sequences of their own, and share the feed-forward parts with all others.
@Suite struct DataParallelTests {
    static let layouts = [
        ParallelLayout(tensor: 2, data: 2), ParallelLayout(tensor: 4, data: 2),
        ParallelLayout(tensor: 4, data: 4), ParallelLayout(tensor: 8, data: 2),
        ParallelLayout(tensor: 8, data: 4), ParallelLayout(tensor: 8, data: 8),
        ParallelLayout(tensor: 4, expert: 2, data: 2), ParallelLayout(tensor: 8, expert: 4, data: 4),
        ParallelLayout(tensor: 8, expert: 8, data: 2),
    ]
    static let folders = ["fresh-eight/bf16", "eight-edges/fp8"]

    private func load(
        _ folder: String, _ layout: ParallelLayout, profile: Profile? = nil
    ) throws -> LanguageModel {
        var options = DeviceTests.options(layout)
        options.profile = profile
        return try LanguageModel.load(directory: "\(DeviceTests.root)/\(folder)", options: options)
    }

    private func prompt(_ count: Int, salt: Int = 0) -> [Int32] {
        (0..<count).map { Int32(($0 * 5 + salt * 11) % 47) }
    }

    /// Sets and tokens exactly, logits to the tolerance of one device: prefill, decode, greedy, drafts and rounds.
    @Test(arguments: DeviceTests.cases, layouts)
    func agreesWithTheReference(name: String, layout: ParallelLayout) throws {
        let report = try GoldenVerifier(directory: "\(DeviceTests.root)/\(name)").verify(
            options: DeviceTests.options(layout))
        for row in report.rows where row.outcome != .pass {
            Issue.record("\(name) \(layout) \(row.quantity): \(row.largestError ?? .nan) \(row.detail)")
        }
        for quantity in ["greedy.tokens", "decode.selected", "spec.rounds"] {
            #expect(report.rows.contains { $0.quantity == quantity && $0.outcome == .pass })
        }
    }

    /// A sequence gets the bits that it gets alone, whichever group serves it and whoever its neighbours are: so what is
    /// true of the first group, whose keys are compared with the reference above, is true of all. Prefill and decode.
    @Test(arguments: folders, [(2, 2), (4, 2), (8, 4), (8, 8)])
    func everyGroupGivesTheSameBits(folder: String, sizes: (tensor: Int, data: Int)) throws {
        let model = try load(folder, ParallelLayout(tensor: sizes.tensor, data: sizes.data))
        let one = try load(folder, .single)
        // As many copies as groups, so that each serves one, among sequences that only it serves.
        let copies = (0..<sizes.data).map { _ in prompt(29) }
        let others = (0..<3).map { prompt(3 + 4 * $0, salt: $0 + 1) }
        func run(_ model: LanguageModel, _ prompts: [[Int32]]) -> [[Float]] {
            var caches = prompts.map { _ in model.makeCache() }
            var rows = prompts.map { _ in [Float]() }
            for round in 0..<4 {
                let steps = prompts.map { prompt in
                    round == 0
                        ? SequenceStep(tokens: prompt, logitRows: prompt.count)
                        : SequenceStep(tokens: [prompt[round % prompt.count]], logitRows: 1)
                }
                let logits = model.forward(steps, caches: &caches).logits
                var row = 0
                for (index, step) in steps.enumerated() {
                    for _ in 0..<step.logitRows {
                        rows[index] += logits.row(row)
                        row += 1
                    }
                }
            }
            return rows
        }
        let alone = (copies + others).map { run(model, [$0])[0] }
        let together = run(model, copies + others)
        #expect(together == alone)
        #expect(together[1] == together[0])
        for (found, expected) in zip(together, run(one, copies + others)) {
            expectClose(found, expected, tolerance: 1e-4)
        }
        // Negative control: another sequence has other rows.
        #expect(together[sizes.data].prefix(100) != together[0].prefix(100))
    }

    /// Requests that come and go, with and without drafts, drafts that share their keys included: the tokens of one device.
    @Test(arguments: [false, true], [false, true])
    func requestsGetTheSameTokens(drafts: Bool, sharesIndex: Bool) async throws {
        let folder = try TemporaryDirectory()
        let source = "\(DeviceTests.root)/fresh-eight/bf16"
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("model.safetensors"), withDestinationPath: source + "/model.safetensors")
        let text = try String(contentsOfFile: source + "/config.json", encoding: .utf8)
        let changed = text.replacingOccurrences(
            of: "\"index_topk\"", with: "\"index_share_for_mtp_iteration\": \(sharesIndex), \"index_topk\"")
        try changed.write(toFile: folder.file("config.json"), atomically: true, encoding: .utf8)
        func texts(_ layout: ParallelLayout) async throws -> [[Int32]] {
            let model = try LanguageModel.load(
                directory: folder.path, options: DeviceTests.options(layout))
            defer { model.disband() }
            let requests = (0..<7).map { number in
                GenerationRequest(
                    prompt: prompt(2 + 5 * number, salt: number), sampling: .greedy, endTokens: [],
                    maximumTokens: 9 + number,
                    speculation: drafts ? SpeculationParameters() : nil)
            }
            return try await answers(
                requests, model, drafter: EagleDrafter(model), batch: 5, chunk: 16
            ).map(\.tokens)
        }
        let alone = try await texts(.single)
        #expect(try await texts(ParallelLayout(tensor: 4, data: 4)) == alone)
        #expect(try await texts(ParallelLayout(tensor: 8, expert: 2, data: 2)) == alone)
    }

    /// Sequences that are forked, cut back and forgotten stay with their groups.
    @Test func forksStayWithTheirGroup() throws {
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
            var (first, second) = (model.makeCache(), model.makeCache())
            feed(prompt(9), &first)
            feed(prompt(70, salt: 1), &second)
            var third = second
            feed([9, 8, 7], &second)
            third.truncate(to: 66)
            feed([4], &third)
            third.compact(keeping: [64, 66], from: 64)
            feed([3], &third)
            first.truncate(to: 0)
            feed([5, 6], &first)
            second = model.makeCache()
            feed([7], &second)
            feed([6], &third)
            return results
        }
        expectClose(try play(ParallelLayout(tensor: 4, data: 4)), try play(.single), tolerance: 1e-4)
    }

    /// On every device the calls and bytes of the closed form: of a group with rows, of one without.
    @Test(arguments: [ParallelLayout(tensor: 8, data: 4), ParallelLayout(tensor: 4, expert: 2, data: 4)])
    func trafficHasAClosedForm(layout: ParallelLayout) throws {
        let model = try load("fresh-eight/bf16", layout)
        var caches = (0..<3).map { _ in model.makeCache() }
        let rows = [3, 1, 4]
        _ = model.forward(
            [
                SequenceStep(tokens: [1, 2, 3], logitRows: 1, hiddenRows: 3),
                SequenceStep(tokens: [4], logitRows: 1),
                SequenceStep(tokens: [5, 6, 7, 8], logitRows: 0, hiddenRows: 4),
            ], caches: &caches)
        for (rank, report) in model.deviceReports().enumerated() {
            let group = rank / (layout.tensor / layout.data)
            let expected = model.configuration.traffic(
                rows: 8, ownRows: group < 3 ? rows[group] : 0, hiddenRows: 8, logitRows: 2, layout: layout)
            let entries = report.traffic.filter { ![.command, .report].contains($0.key.site.operation) }
            #expect(entries.reduce(0) { $0 + $1.calls } == expected.calls, "rank \(rank)")
            #expect(entries.reduce(0) { $0 + $1.bytes } == expected.bytes, "rank \(rank)")
        }
    }

    /// Attention of its own sequences alone, cut over its group; of everything else a share of all rows.
    @Test(arguments: folders, [(4, 4), (8, 2), (8, 4)])
    func workIsAShare(folder: String, sizes: (tensor: Int, data: Int)) throws {
        let layout = ParallelLayout(tensor: sizes.tensor, data: sizes.data)
        let counts = [30, 7, 12, 1, 11].prefix(sizes.data + 1)
        func run(_ layout: ParallelLayout, _ counts: [Int]) throws -> (GLMConfiguration, [Int]) {
            let model = try load(folder, layout, profile: Profile())
            var caches = counts.map { _ in model.makeCache() }
            _ = model.forward(
                counts.map { SequenceStep(tokens: prompt($0), logitRows: $0) }, caches: &caches)
            return (model.configuration, model.deviceReports().map { $0.work.operations / 2 })
        }
        let (c, found) = try run(layout, Array(counts))
        let total = counts.reduce(0, +)
        // What all devices share, for one row: head, MLPs and the shared expert; routed experts.
        let sparse = (0..<c.layerCount).count { c.feedForward(ofLayer: $0) == .sparse }
        let cut =
            c.vocabularySize * c.hiddenSize + 3 * c.hiddenSize * c.denseIntermediateSize
            * (c.layerCount - sparse)
            + 3 * c.hiddenSize * (c.sharedIntermediateSize + c.expertsPerToken * c.expertIntermediateSize)
            * sparse
        let router = sparse * c.hiddenSize * c.routedExpertCount
        for (rank, work) in found.enumerated() {
            let group = rank / layout.tensorOfAttention
            // Sequence i is served by group i; the one that is left over by the first.
            let own = counts.indices.filter { $0 % layout.data == group }.map { counts[$0] }
            var attention = 0
            for count in own {
                let whole = try run(.single, [count]).1[0] - count * (cut + router)
                let latents = replicated(c, count)
                attention += latents + (whole - latents) / layout.tensorOfAttention
            }
            #expect(work == attention + total * router + total * cut / layout.tensor, "rank \(rank)")
        }
    }

    /// W^DQ, W^DKV, and an indexer's products and scores.
    private func replicated(_ c: GLMConfiguration, _ tokens: Int) -> Int {
        let scored = (0..<tokens).map { $0 + 1 }.filter { $0 > c.indexTopK }
        return (0..<c.layerCount).reduce(0) { sum, layer in
            var work = tokens * c.hiddenSize * (c.queryRank + c.latentRank + c.ropeDimension)
            if c.indexer(ofLayer: layer) == .full {
                work += tokens * c.indexHeadDimension * c.hiddenSize
                if !scored.isEmpty {
                    work += tokens * c.indexHeadCount * (c.indexHeadDimension * c.queryRank + c.hiddenSize)
                }
                work += scored.reduce(0, +) * c.indexHeadCount * c.indexHeadDimension
            }
            return sum + work
        }
    }

    @Test func groupsMustDivide() {
        expectRefused(.usage, containing: "--dp-size: 3", "1, 2, 4 or 8, which divide --tp-size 8") {
            _ = try load("fresh-eight/bf16", ParallelLayout(tensor: 8, data: 3))
        }
        // Heads are cut only inside a group: four of them are enough for eight devices in two groups.
        expectRefused(.usage, containing: "num_attention_heads 4 does not divide by 8") {
            _ = try load("tiny/bf16", ParallelLayout(tensor: 8))
        }
    }
}

extension ParallelLayout {
    /// Devices that share an attention.
    fileprivate var tensorOfAttention: Int { tensor / data }
}
