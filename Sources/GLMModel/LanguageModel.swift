package import GLMFiles
package import GLMKernels
import GLMTensor
import GLMWeights

/// A loaded checkpoint: configuration, trunk, MTP layer, and the machine that runs them.
///
/// Immutable; any number of sequences can be run on it, each with a cache of its own.
package final class LanguageModel: Sendable {
    package let configuration: GLMConfiguration
    /// Tokens a sequence may hold, prompt and answer together.
    package let contextSize: Int
    package let transformer: Transformer
    /// The MTP layer, when the checkpoint has one.
    package let eagleHead: EagleHead?
    package let compute: Compute
    /// Where a page of a trunk cache keeps what.
    package let cacheLayout: CacheLayout

    /// Loads a folder in the released layout: `config.json` and safetensors.
    ///
    /// Weights stay in the mapped files. Unless `options.lazy`, every page is read once, which brings it into
    /// memory and finds codes that are not numbers.
    /// - Throws: `InputError` for anything missing, malformed, unsupported, or left over.
    package static func load(
        directory: String, options: LoadOptions, progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) throws(InputError) -> LanguageModel {
        let configuration = try GLMConfiguration.load(path: directory + "/config.json")
        try options.checkNumerics(configuration)
        let checkpoint = try Checkpoint.open(directory: directory)
        let compute = Compute(
            kernels: .table(options.instructionSet), pool: ThreadPool(threads: options.threads),
            blas: try options.gemm.library(), profile: options.profile, arithmetic: options.numerics)
        let model = try LanguageModel(
            configuration: configuration, checkpoint: checkpoint, options: options, compute: compute)
        if !options.lazy {
            let total = checkpoint.byteCount
            try checkpoint.scan(pool: compute.pool) { done in
                progress?(LoadProgress(completedBytes: done, totalBytes: total))
            }
        }
        return model
    }

    private init(
        configuration: GLMConfiguration, checkpoint: Checkpoint, options: LoadOptions, compute: Compute
    ) throws(InputError) {
        contextSize = try LanguageModel.contextSize(options.contextSize, configuration)
        let weights = WeightScope(
            checkpoint,
            block: configuration.weightBlock.map { BlockShape(rows: $0.rows, columns: $0.columns) })
        let numerics = NumericOptions(
            latentNormEpsilon: options.latentNormEpsilon, keySelection: options.keySelection)
        transformer = try Transformer(
            weights: weights, configuration: configuration, options: numerics, compute: compute)
        eagleHead =
            configuration.nextTokenLayerCount > 0
            ? try EagleHead(
                weights: weights.scope("model.layers.\(configuration.layerCount)"),
                configuration: configuration, options: numerics, compute: compute)
            : nil
        try weights.finish()
        self.configuration = configuration
        self.compute = compute
        cacheLayout = CacheLayout(
            configuration, layers: 0..<configuration.layerCount, format: options.cacheFormat)
    }

    /// Tokens a sequence may hold when `wanted` are asked for; nil is all that the model was made for.
    /// - Throws: an `InputError` of kind `usage` for none, or for more than that.
    package static func contextSize(
        _ wanted: Int?, _ configuration: GLMConfiguration
    ) throws(InputError) -> Int {
        let longest = configuration.maximumPositions
        guard let wanted else { return longest }
        guard (1...longest).contains(wanted) else {
            throw InputError(
                .usage, subject: "--ctx-size", found: "\(wanted)",
                expected: "1 to \(longest), the model's max_position_embeddings")
        }
        return wanted
    }

    /// An empty cache for one sequence of the MTP layer.
    package func makeDraftCache() -> SequenceCache {
        SequenceCache(
            layout: CacheLayout(
                configuration, layers: configuration.layerCount..<configuration.storedLayerCount,
                format: cacheLayout.format))
    }

    /// An empty cache for one sequence.
    package func makeCache() -> SequenceCache { SequenceCache(layout: cacheLayout) }

    /// Runs the new tokens of several sequences and extends their caches.
    ///
    /// A row's result does not depend on the other rows, on how its prompt was cut, or on the number of
    /// threads.
    /// - Precondition: one cache a step; token ids inside the vocabulary; no sequence beyond `contextSize`.
    package func forward(
        _ steps: [SequenceStep], caches: inout [SequenceCache], trace: Trace? = nil
    ) -> ForwardOutput {
        for (step, cache) in zip(steps, caches) {
            precondition(
                cache.length + step.tokens.count <= contextSize,
                "\(cache.length) + \(step.tokens.count) tokens in a context of \(contextSize)")
        }
        return transformer(steps, caches: &caches, trace: trace)
    }
}
