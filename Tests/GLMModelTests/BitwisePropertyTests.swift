import GLMKernels
import GLMModel
import GLMTensor
import Testing

/// The engine's character: a row's bits do not depend on chunks, neighbours or threads. `Tensor ==` compares
/// elements; equal NaN would not pass and −0 = +0 would, so bits are compared.
@Suite struct BitwisePropertyTests {
    /// Logits of every row and the cache contents of one prompt, run in pieces of the given lengths.
    struct Run: Equatable {
        var logits: [UInt32]
        var cache: [UInt32]
    }

    static func run(_ model: LanguageModel, _ prompt: [Int32], pieces: [Int]) -> Run {
        var caches = [model.makeCache()]
        var logits: [UInt32] = []
        var begin = 0
        for piece in pieces {
            let tokens = Array(prompt[begin..<(begin + piece)])
            let output = model.forward([SequenceStep(tokens: tokens, logitRows: piece)], caches: &caches)
            logits.append(contentsOf: output.logits.values.map(\.bitPattern))
            begin += piece
        }
        return Run(logits: logits, cache: contents(caches[0], model.configuration))
    }

    static func contents(_ cache: SequenceCache, _ configuration: GLMConfiguration) -> [UInt32] {
        var bits: [UInt32] = []
        for layer in 0..<configuration.layerCount {
            bits += cache.attentionRows(layer: layer, columns: 0..<cache.layout.attentionWidth).map(
                \.bitPattern)
            if configuration.indexers[layer] == .full {
                bits += cache.indexRows(layer: layer).map(\.bitPattern)
            }
        }
        return bits
    }

    @Test(arguments: GoldenCheckpoint.all)
    func chunkingChangesNoBit(checkpoint: GoldenCheckpoint) throws {
        let model = try checkpoint.load()
        let prompt = checkpoint.prompt(70, for: model)  // crosses a page of 64 tokens
        let whole = Self.run(model, prompt, pieces: [70])
        #expect(Self.run(model, prompt, pieces: [Int](repeating: 1, count: 70)) == whole)
        for pieces in [[64, 6], [1, 69], [5, 7, 11, 13, 34], [63, 1, 1, 5]] {
            #expect(Self.run(model, prompt, pieces: pieces) == whole, "pieces \(pieces)")
        }
        // Negative control: another token far back, beyond many selections, is noticed.
        var other = prompt
        other[0] = (other[0] + 1) % 90
        #expect(Self.run(model, other, pieces: [70]) != whole)
    }

    @Test(arguments: GoldenCheckpoint.all)
    func threadsChangeNoBit(checkpoint: GoldenCheckpoint) throws {
        let one = try checkpoint.load(threads: 1)
        let prompt = checkpoint.prompt(40, for: one)
        let expected = Self.run(one, prompt, pieces: [33, 1, 6])
        for threads in [2, 3, 8] {
            #expect(Self.run(try checkpoint.load(threads: threads), prompt, pieces: [33, 1, 6]) == expected)
        }
    }

    /// Negative control of the two tests above: an instruction set without fused multiply-add does differ in
    /// bits.
    @Test(.enabled(if: InstructionSet.best != .baseline))
    func levelsDifferInBits() throws {
        var options = LoadOptions(threads: 1)
        options.instructionSet = .baseline
        let baseline = try LanguageModel.load(directory: GoldenCheckpoint.tiny.directory, options: options)
        let model = try GoldenCheckpoint.tiny.load(threads: 1)
        let prompt = GoldenCheckpoint.tiny.prompt(40, for: model)
        #expect(Self.run(baseline, prompt, pieces: [40]) != Self.run(model, prompt, pieces: [40]))
    }

    @Test(arguments: GoldenCheckpoint.all)
    func neighboursChangeNoBit(checkpoint: GoldenCheckpoint) throws {
        let model = try checkpoint.load()
        let prompts = [3, 40, 1, 17].enumerated().map { checkpoint.prompt($1, for: model, salt: $0) }
        let alone = prompts.map { Self.run(model, $0, pieces: [$0.count]) }
        var caches = prompts.map { _ in model.makeCache() }
        let steps = prompts.map { SequenceStep(tokens: $0, logitRows: $0.count) }
        let together = model.forward(steps, caches: &caches)
        #expect(together.logits.values.map(\.bitPattern) == alone.flatMap(\.logits))
        for (index, cache) in caches.enumerated() {
            #expect(Self.contents(cache, model.configuration) == alone[index].cache)
        }
        // Then one decode step each, beside a fresh prefill.
        let next = prompts.map { [$0[0]] } + [prompts[1]]
        caches.append(model.makeCache())
        let stepped = model.forward(
            next.map { SequenceStep(tokens: $0, logitRows: $0.count) }, caches: &caches)
        let expected = prompts.map {
            Self.run(model, $0 + [$0[0]], pieces: [$0.count + 1]).logits.suffix(stepped.logits.width)
        }
        let bits = stepped.logits.values.map(\.bitPattern)
        #expect(Array(bits.prefix(4 * stepped.logits.width)) == expected.flatMap { $0 })
        #expect(Array(bits.dropFirst(4 * stepped.logits.width)) == alone[1].logits)
        // Negative control: where one sequence is another, its own rows are, and no others.
        let found = Self.beside(model, prompts, changing: 1)
        let width = together.logits.width
        let changed = zip(found, alone.flatMap(\.logits)).enumerated().filter { $1.0 != $1.1 }.map {
            $0.offset / width
        }
        #expect(Set(changed).isSubset(of: 3..<43) && changed.contains(3))
    }

    /// Logits of several sequences in one pass, the first token of one of them changed.
    static func beside(_ model: LanguageModel, _ prompts: [[Int32]], changing index: Int) -> [UInt32] {
        var others = prompts
        others[index][0] = (others[index][0] + 1) % 90
        var caches = prompts.map { _ in model.makeCache() }
        let output = model.forward(
            others.map { SequenceStep(tokens: $0, logitRows: $0.count) }, caches: &caches)
        return output.logits.values.map(\.bitPattern)
    }

    /// A copied cache is a fork: both continue on their own, and equal a sequence that was never forked.
    @Test func forkedCachesAreIndependent() throws {
        let checkpoint = GoldenCheckpoint.sharedOdd
        let model = try checkpoint.load()
        let prompt = checkpoint.prompt(30, for: model)
        var caches = [model.makeCache()]
        _ = model.forward([SequenceStep(tokens: prompt, logitRows: 0)], caches: &caches)
        var forks = [caches[0], caches[0]]
        let output = model.forward(
            [SequenceStep(tokens: [1, 2], logitRows: 2), SequenceStep(tokens: [3], logitRows: 1)],
            caches: &forks)
        let first = Self.run(model, prompt + [1, 2], pieces: [32])
        let second = Self.run(model, prompt + [3], pieces: [31])
        let width = output.logits.width
        #expect(
            output.logits.values.map(\.bitPattern) == first.logits.suffix(2 * width)
                + second.logits.suffix(width))
        #expect(Self.contents(forks[0], model.configuration) == first.cache)
        #expect(Self.contents(forks[1], model.configuration) == second.cache)
        // Truncated and continued otherwise, the first fork becomes the second.
        forks[0].truncate(to: 30)
        var rewound = [forks[0]]
        _ = model.forward([SequenceStep(tokens: [3], logitRows: 0)], caches: &rewound)
        #expect(Self.contents(rewound[0], model.configuration) == second.cache)
        #expect(rewound[0].pageCount == 1)
    }
}
