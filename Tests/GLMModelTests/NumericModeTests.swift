import GLMFiles
import GLMKernels
import GLMModel
import GLMTensor
import Testing

/// The numeric modes on whole models: the engine's character holds in each, and each is what it says.
@Suite struct NumericModeTests {
    struct Mode: CustomTestStringConvertible, Sendable {
        var checkpoint: GoldenCheckpoint
        var numerics = ProductArithmetic.float32
        var cache = CacheFormat.float32
        var level: InstructionSet

        var testDescription: String {
            "\(checkpoint.name) \(numerics.rawValue), cache \(cache.rawValue), \(level.name)"
        }

        func load(threads: Int = 2) throws -> LanguageModel {
            try checkpoint.load(threads: threads, numerics: numerics, cache: cache, level: level)
        }
    }

    static let modes: [Mode] = InstructionSet.available.flatMap { level in
        [
            Mode(checkpoint: .fp8Edge, numerics: .w8a8, level: level),
            Mode(checkpoint: .fp8Edge, numerics: .bfloat16, level: level),
            Mode(checkpoint: .sharedOdd, numerics: .bfloat16, level: level),
            Mode(checkpoint: .fp8Edge, cache: .fp8, level: level),
            Mode(checkpoint: .sharedOdd, cache: .fp8, level: level),
            Mode(checkpoint: .sharedOdd, cache: .bfloat16, level: level),
            Mode(checkpoint: .fp8Edge, numerics: .w8a8, cache: .fp8, level: level),
        ]
    }

    @Test(arguments: modes)
    func chunksAndThreadsChangeNoBit(mode: Mode) throws {
        let model = try mode.load()
        let prompt = mode.checkpoint.prompt(70, for: model)
        let whole = BitwisePropertyTests.run(model, prompt, pieces: [70])
        for pieces in [[Int](repeating: 1, count: 70), [64, 6], [5, 7, 11, 13, 34]] {
            #expect(BitwisePropertyTests.run(model, prompt, pieces: pieces) == whole, "pieces \(pieces)")
        }
        for threads in [1, 3] {
            let other = try mode.load(threads: threads)
            #expect(BitwisePropertyTests.run(other, prompt, pieces: [33, 1, 36]) == whole, "\(threads)")
        }
        // Negative control: float32 gives other bits.
        let float = try mode.checkpoint.load(level: mode.level)
        #expect(BitwisePropertyTests.run(float, prompt, pieces: [70]).logits != whole.logits)
    }

    @Test(arguments: modes)
    func neighboursChangeNoBit(mode: Mode) throws {
        let model = try mode.load()
        let prompts = [3, 40, 1, 17].enumerated().map { mode.checkpoint.prompt($1, for: model, salt: $0) }
        let alone = prompts.map { BitwisePropertyTests.run(model, $0, pieces: [$0.count]) }
        var caches = prompts.map { _ in model.makeCache() }
        let together = model.forward(
            prompts.map { SequenceStep(tokens: $0, logitRows: $0.count) }, caches: &caches)
        #expect(together.logits.values.map(\.bitPattern) == alone.flatMap(\.logits))
        // Negative control: another sequence has other bits.
        #expect(BitwisePropertyTests.beside(model, prompts, changing: 1) != alone.flatMap(\.logits))
    }

    /// Every residual stream, every cached value is a BF16 number; in float32 they are not.
    @Test(arguments: [GoldenCheckpoint.sharedOdd, .tiny, .fp8Edge])
    func activationsAreBFloat16(checkpoint: GoldenCheckpoint) throws {
        for numerics in [ProductArithmetic.bfloat16, .float32] {
            let model = try checkpoint.load(numerics: numerics)
            var caches = [model.makeCache()]
            var values: [Float] = []
            let tokens = checkpoint.prompt(20, for: model)
            _ = model.forward([SequenceStep(tokens: tokens, logitRows: 1)], caches: &caches) { event in
                switch event {
                case .hidden(_, let h): values += h.values
                case .attention(_, let a): values += a.values
                case .finalNorm(let h): values += h.values
                default: break
                }
            }
            let cached = BitwisePropertyTests.contents(caches[0], model.configuration)
            let rounded = (values.map(\.bitPattern) + cached).allSatisfy { $0 & 0xffff == 0 }
            #expect(rounded == (numerics == .bfloat16))
        }
    }

    /// Bound of the difference to float32 on prompts that every key fits into the selection of, so that no
    /// choice of keys flips: 8 significant bits through all layers.
    @Test(arguments: [GoldenCheckpoint.sharedOdd, .tiny])
    func bfloat16IsCloseToFloat32(checkpoint: GoldenCheckpoint) throws {
        let exact = try checkpoint.load()
        let rounded = try checkpoint.load(numerics: .bfloat16)
        let prompt = checkpoint.prompt(min(8, exact.configuration.indexTopK), for: exact)
        func logits(_ model: LanguageModel) -> [Float] {
            var caches = [model.makeCache()]
            let steps = [SequenceStep(tokens: prompt, logitRows: prompt.count)]
            return model.forward(steps, caches: &caches).logits.values
        }
        let (a, b) = (logits(exact), logits(rounded))
        let size = a.reduce(0) { max($0, abs($1)) }
        let errors = zip(a, b).map { abs($0 - $1) }
        let mean = errors.reduce(0, +) / Float(errors.count)
        #expect(mean > 0 && mean < size * 0x1p-6, "mean error \(mean) of \(size)")
    }

    /// A cache in BF16 loses nothing of activations that are BF16.
    @Test(arguments: [GoldenCheckpoint.sharedOdd, .fp8Edge])
    func bfloat16CacheHoldsBFloat16Activations(checkpoint: GoldenCheckpoint) throws {
        func run(_ numerics: ProductArithmetic, _ cache: CacheFormat) throws -> BitwisePropertyTests.Run {
            let model = try checkpoint.load(numerics: numerics, cache: cache)
            return BitwisePropertyTests.run(model, checkpoint.prompt(70, for: model), pieces: [64, 6])
        }
        #expect(try run(.bfloat16, .bfloat16) == run(.bfloat16, .float32))
        // Negative control: of Float32 activations it does.
        #expect(try run(.float32, .bfloat16) != run(.float32, .float32))
    }

    @Test func refusesWhatCannotBe() throws {
        #expect(throws: InputError.self) { try GoldenCheckpoint.tiny.load(numerics: .w8a8) }
        let options = LoadOptions(threads: 1, gemm: .openblas, numerics: .bfloat16)
        #expect(throws: InputError.self) {
            try LanguageModel.load(directory: GoldenCheckpoint.tiny.directory, options: options)
        }
    }
}
