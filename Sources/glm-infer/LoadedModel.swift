internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMModel
internal import GLMToy

/// A model of which the small files are read: what cannot be answered is refused here, before the weights are read.
struct PreparedModel {
    let options: ModelOptions
    let documents: ModelDocuments
    /// How long that took.
    private let reading: Duration

    /// Reads the small files of what `options` name; `profile` will receive the model's forward passes.
    ///
    /// - Parameter seed: what the random draws begin with, where the answer has any.
    init(_ options: ModelOptions, profile: Profile? = nil, seed: UInt64? = nil) throws(InputError) {
        let clock = ContinuousClock()
        let start = clock.now
        self.options = options
        var loading = try options.loadOptions(seed: seed)
        loading.profile = profile
        documents = try ModelDocuments(directory: options.directory(), options: loading)
        reading = start.duration(to: clock.now)
    }

    /// - Throws: an `InputError` if the prompt cannot be answered as the options ask.
    func check(
        _ prompt: [Int32], _ sampling: SamplingOptions, _ speculation: SpeculationOptions
    ) throws(InputError) {
        try documents.check(
            prompt: prompt, sampling: sampling.parameters(over: documents.defaults.sampling),
            maximumTokens: sampling.maximumTokens, speculation: speculation.parameters())
        guard sampling.stop.allSatisfy({ !$0.isEmpty }) else { throw GenerationOptions.emptyStopString }
    }

    /// Reads the weights, with a progress bar on a terminal.
    func load() async throws(InputError) -> LoadedModel {
        let clock = ContinuousClock()
        let start = clock.now
        if options.verbose {
            Console.note("model: \(documents.directory)\nnumerics: \(options.numerics.rawValue)")
            Console.note(", products: \(options.gemm.rawValue), cache: \(options.kvCacheDtype.rawValue)\n")
        }
        if options.lazy {
            Console.note("weights are read when needed, and not checked beforehand (--lazy)\n")
        }
        if options.gemm == .openblas {
            Console.note(
                "matrix products by OpenBLAS: last bits depend on the batch and the library (--gemm)\n")
        }
        let bar = ProgressBar()
        defer { bar.clear() }
        let model = try await GLM.load(documents, progress: { bar.show($0) })
        bar.clear()
        model.model.followOthers()
        return LoadedModel(
            model: model, loading: reading + start.duration(to: clock.now),
            numerics: options.numerics.arithmetic, gemm: options.gemm.backend,
            cacheFormat: options.kvCacheDtype.format)
    }
}

/// A model as the command line loads it.
struct LoadedModel {
    var model: GLM
    /// How long that took.
    var loading: Duration
    /// What its products do to their inputs.
    var numerics: ProductArithmetic
    /// What multiplies its weights by tokens.
    var gemm: GEMMBackend
    /// How its caches are stored.
    var cacheFormat: CacheFormat
}

extension ModelOptions {
    /// The folder named, or the built-in model's.
    func directory() throws(InputError) -> String {
        try ModelOptions.directory(model)
    }

    /// `model`, or the built-in model's folder.
    static func directory(_ model: String?) throws(InputError) -> String {
        guard let model else { return try EmbeddedModel.directory() }
        return model
    }

    /// The options of the library, checked.
    func loadOptions(seed: UInt64?) throws(InputError) -> LoadOptions {
        var options = try ModelOptions.loadOptions(threads: devices.threads(threads))
        options.contextSize = ctxSize
        options.lazy = lazy
        options.gemm = gemm.backend
        options.numerics = numerics.arithmetic
        options.cacheFormat = kvCacheDtype.format
        options.keySelection = keySelection.policy
        options.devices = try devices.options(seed: seed)
        guard let epsilon = latentNormEps else { return options }
        guard epsilon > 0 && epsilon < 1 else {
            throw InputError(
                .usage, subject: "--latent-norm-eps", found: "\(epsilon)", expected: "a number in (0, 1)")
        }
        options.latentNormEpsilon = epsilon
        return options
    }

    /// The usual options with a number of threads, checked.
    static func loadOptions(threads: Int?) throws(InputError) -> LoadOptions {
        if let threads, !(1...1024).contains(threads) {
            throw InputError(.usage, subject: "--threads", found: "\(threads)", expected: "1 to 1024")
        }
        return LoadOptions(threads: threads)
    }
}
