package import GLMFiles
public import GLMKernels
import GLMParallel

/// How to load a checkpoint.
public struct LoadOptions: Sendable {
    /// Threads of the kernels; results do not depend on it.
    public var threads: Int
    /// Bound of prompt and answer together; nil for the model's own.
    public var contextSize: Int?
    /// ε of the latent norms: 1e-6 as in transformers; SGLang uses `rms_norm_eps`.
    public var latentNormEpsilon: Float
    /// Skips the pass that reads every page and looks for FP8 codes that are not numbers, and all else that would read weights beforehand:
    /// the copies of narrow shares of several devices, and the trial of how weights are best asked for.
    public var lazy: Bool
    /// What multiplies weights by tokens.
    public var gemm: GEMMBackend
    /// What products do to their inputs.
    public var numerics: ProductArithmetic
    /// How caches keep latents, rope keys and index keys.
    public var cacheFormat: CacheFormat
    /// Who selects the keys of sparse attention; anything but the indexer is for experiments.
    public var keySelection: KeySelection.Policy
    /// Level of the kernels; results differ between levels in their last bits.
    package var instructionSet: InstructionSet
    /// Receives time and work of every forward pass.
    package var profile: Profile?
    /// How many devices share the model.
    package var devices = DeviceOptions()

    /// - Parameter threads: nil for one a processor this process may run on.
    public init(
        threads: Int? = nil, contextSize: Int? = nil, latentNormEpsilon: Float = 1e-6, lazy: Bool = false,
        gemm: GEMMBackend = .own, numerics: ProductArithmetic = .float32, cacheFormat: CacheFormat = .float32,
        keySelection: KeySelection.Policy = .indexer
    ) {
        self.threads = threads ?? ThreadPool.availableProcessors
        self.contextSize = contextSize
        self.latentNormEpsilon = latentNormEpsilon
        self.lazy = lazy
        self.gemm = gemm
        self.numerics = numerics
        self.cacheFormat = cacheFormat
        self.keySelection = keySelection
        instructionSet = .selected
    }
}

extension LoadOptions {
    /// Refuses products that this checkpoint, this machine or the other options cannot have.
    ///
    /// - Throws: `usage` for `w8a8` without block scales, or with blocks that are not whole groups of 16
    ///   columns; for OpenBLAS with other numerics, or where there is none.
    package func checkProducts(_ configuration: GLMConfiguration) throws(InputError) {
        let subject = "--numerics \(numerics.rawValue)"
        if numerics != .float32, gemm != .own {
            throw InputError(
                .usage, subject: subject, found: "--gemm \(gemm.rawValue)",
                expected: "the engine's own products")
        }
        _ = try gemm.library()
        guard numerics == .w8a8 else { return }
        guard let block = configuration.weightBlock else {
            throw InputError(
                .usage, subject: subject, found: "a checkpoint without quantization_config",
                expected: "FP8 weights with block scales")
        }
        guard block.columns % 16 == 0 else {
            throw InputError(
                .usage, subject: subject, found: "blocks of \(block.columns) columns",
                expected: "a multiple of 16")
        }
        if let width = brokenBlock(of: configuration, in: devices.layout) {
            throw InputError(
                .usage, subject: subject, found: "\(width.key) \(width.size) over \(width.parts) devices",
                expected: "shares that are multiples of \(block.columns)")
        }
    }

    /// The first width whose shares are not whole blocks under `w8a8`, and nil where all are: inputs are quantised in
    /// groups as wide as a block, which no two devices may share.
    func brokenBlock(
        of configuration: GLMConfiguration, in layout: ParallelLayout
    ) -> (key: String, size: Int, parts: Int)? {
        guard numerics == .w8a8, layout.tensor > 1, let block = configuration.weightBlock else { return nil }
        let widths = [
            (
                "heads × v_head_dim", configuration.headCount * configuration.valueDimension,
                layout.attentionTensor
            ),
            ("intermediate_size", configuration.denseIntermediateSize, layout.tensor),
            ("moe_intermediate_size", configuration.expertIntermediateSize, layout.expertTensor),
            ("shared width", configuration.sharedIntermediateSize, layout.tensor),
        ]
        return widths.first { _, size, parts in parts > 0 && !(size / parts).isMultiple(of: block.columns) }
    }
}

/// What multiplies weights by tokens.
public enum GEMMBackend: String, Sendable, CaseIterable {
    /// The engine's own loops: a row's bits do not depend on the other rows.
    case own
    /// OpenBLAS, found at run time: bits depend on the batch and on the library.
    case openblas

    /// The library this backend needs; nil for the own loops.
    /// - Throws: `usage` when OpenBLAS is asked for and not found.
    package func library() throws(InputError) -> OpenBLAS? {
        switch self {
        case .own: return nil
        case .openblas:
            guard let library = OpenBLAS.find() else {
                throw InputError(
                    .usage, subject: "--gemm openblas", found: "no libopenblas on this machine",
                    remedy: "install OpenBLAS (Debian: libopenblas0-pthread) or leave the option out")
            }
            return library
        }
    }
}

/// How far the pass over the weights has come.
public struct LoadProgress: Sendable {
    /// Bytes read and checked so far.
    public let completedBytes: Int
    /// Bytes of all files.
    public let totalBytes: Int
}
