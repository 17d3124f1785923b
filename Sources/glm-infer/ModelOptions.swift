internal import ArgumentParser
internal import GLMKernels
internal import GLMModel

/// Which model, and how it is loaded.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .long],
        help: "Folder of a checkpoint. Without it, a small built-in model answers.")
    var model: String?

    @Option(name: [.customShort("t"), .long], help: "Threads to compute with (default: one for each core).")
    var threads: Int?

    @Option(name: .long, help: "Tokens of prompt and answer together (default: what the model was made for).")
    var ctxSize: Int?

    @Option(name: .long, help: "Epsilon of the norms on the latents (default: 1e-6, as in transformers).")
    var latentNormEps: Float?

    @Option(
        name: .long,
        help:
            "What multiplies weights by tokens: own, or openblas, whose bits depend on the batch."
    )
    var gemm = Gemm.own

    @Option(
        name: .long,
        help:
            "Arithmetic of the products: float32, bfloat16 (activations too), or w8a8 (FP8 inputs, as GPUs serve FP8)."
    )
    var numerics = Numerics.float32

    @Option(
        name: .long, help: "Format of the cache: float32, bfloat16, or fp8 (rope keys in BF16).")
    var kvCacheDtype = CacheType.float32

    @Option(
        name: .long,
        help: "For experiments: which keys sparse attention takes: the indexer's, or the most recent ones.")
    var keySelection = KeyChoice.indexer

    @Flag(
        name: .long,
        help: """
            Do not read all weights before the first token, looking for FP8 codes that are not numbers, and copy none \
            of the narrow shares of several devices, which are slow to read where they lie.
            """)
    var lazy = false

    @OptionGroup var devices: DeviceArguments

    @Flag(name: .long, help: "Say more about what happens, on standard error.")
    var verbose = false
}

/// `--kv-cache-dtype`.
enum CacheType: String, ExpressibleByArgument, CaseIterable {
    case float32, bfloat16, fp8

    var format: CacheFormat {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .fp8: .fp8
        }
    }
}

/// `--key-selection`.
enum KeyChoice: String, ExpressibleByArgument, CaseIterable {
    case indexer, recent

    var policy: KeySelection.Policy {
        switch self {
        case .indexer: .indexer
        case .recent: .recent
        }
    }
}

/// `--numerics`.
enum Numerics: String, ExpressibleByArgument, CaseIterable {
    case float32, bfloat16, w8a8

    var arithmetic: ProductArithmetic {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .w8a8: .w8a8
        }
    }
}

/// `--gemm`.
enum Gemm: String, ExpressibleByArgument, CaseIterable {
    case own, openblas

    var backend: GEMMBackend {
        switch self {
        case .own: .own
        case .openblas: .openblas
        }
    }
}
