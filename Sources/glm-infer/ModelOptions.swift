internal import ArgumentParser
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
        help: "What multiplies weights by several tokens: own, or openblas, whose bits depend on the batch.")
    var gemm = Gemm.own

    @Flag(name: .long, help: "Do not read and check all weights before the first token.")
    var lazy = false

    @Flag(name: .long, help: "Say more about what happens, on standard error.")
    var verbose = false
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
