internal import GLMFiles
internal import GLMInference
internal import GLMKernels
internal import GLMModel
internal import GLMSynthesis

/// A model as the command line loads it.
struct LoadedModel {
    var model: GLM
    /// How long that took.
    var loading: Duration

    /// Loads what `options` name, with a progress bar on a terminal; `profile` receives its forward passes.
    static func load(_ options: ModelOptions, profile: Profile? = nil) async throws(InputError) -> LoadedModel
    {
        let clock = ContinuousClock()
        let start = clock.now
        let directory = try options.directory()
        var loading = try options.loadOptions()
        loading.profile = profile
        let bar = ProgressBar()
        defer { bar.clear() }
        let model = try await GLM.load(
            directory: directory, options: loading, progress: { bar.show($0) })
        if options.verbose { Console.note("model: \(directory)\n") }
        if options.lazy {
            Console.note("weights are read when needed, and not checked beforehand (--lazy)\n")
        }
        if options.gemm != .own {
            Console.note(
                "matrix products by OpenBLAS: last bits depend on the batch and the library (--gemm)\n")
        }
        return LoadedModel(model: model, loading: start.duration(to: clock.now))
    }
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
    func loadOptions() throws(InputError) -> LoadOptions {
        var options = try ModelOptions.loadOptions(threads: threads)
        options.contextSize = ctxSize
        options.lazy = lazy
        options.gemm = gemm.backend
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
