/// The blueprint of a model: every number that decides shapes or arithmetic, none of them defaulted.
///
/// Made from `config.json` by `GLMConfiguration+JSON`, checked as a whole by `validate()` before weights are
/// read.
/// Source: specification §1; transformers `GlmMoeDsaConfig`.
public struct GLMConfiguration: Sendable, Equatable {
    /// What follows the attention of a decoder layer.
    public enum FeedForward: String, Sendable { case dense, sparse }
    /// Whether a layer selects its own keys or reuses the selection of the nearest full layer before it.
    public enum Indexer: String, Sendable { case full, shared }
    /// Block of an FP8 weight that shares one scale.
    public struct WeightBlock: Sendable, Equatable {
        /// Output elements a block spans.
        public var rows: Int
        /// Input elements a block spans.
        public var columns: Int
        /// A block of `rows` × `columns`; 128 × 128 in the released checkpoints.
        public init(rows: Int, columns: Int) {
            self.rows = rows
            self.columns = columns
        }
    }

    // Trunk
    /// Rows of the embedding and of the head.
    public var vocabularySize: Int
    /// Width of the residual stream.
    public var hiddenSize: Int
    /// Decoder layers, the MTP layer not counted.
    public var layerCount: Int
    /// Multi-token-prediction layers stored behind the trunk: 0 or 1.
    public var nextTokenLayerCount: Int
    /// Positions the model was made for; the largest context.
    public var maximumPositions: Int
    /// ε of every RMS norm of the residual stream.
    public var rmsNormEpsilon: Float
    /// Base of the rotary frequencies.
    public var ropeTheta: Float

    // Latent attention
    /// Heads of queries; all share one latent key.
    public var headCount: Int
    /// Width of the query latent c^Q.
    public var queryRank: Int
    /// Width of the key-value latent c^KV.
    public var latentRank: Int
    /// Width of a head's part without rotary embedding.
    public var nopeDimension: Int
    /// Width of a head's rotary part, one copy of which all keys share.
    public var ropeDimension: Int
    /// Width of a head's value.
    public var valueDimension: Int

    // Lightning indexer
    /// Heads that score a key together.
    public var indexHeadCount: Int
    /// Width of an index query and of the one index key a token has.
    public var indexHeadDimension: Int
    /// Keys a query may attend to.
    public var indexTopK: Int
    /// One entry a decoder layer. The MTP layer always has its own indexer.
    public var indexers: [Indexer]
    /// Whether draft steps of one round reuse the selection of the round's first.
    public var sharesIndexAcrossDrafts: Bool

    // Feed-forward
    /// One entry a decoder layer. The MTP layer is always sparse.
    public var feedForwards: [FeedForward]
    /// Inner width of the MLP of a dense layer.
    public var denseIntermediateSize: Int
    /// Inner width of one expert.
    public var expertIntermediateSize: Int
    /// Experts the router chooses from.
    public var routedExpertCount: Int
    /// Experts that serve every token, fused into one MLP.
    public var sharedExpertCount: Int
    /// Routed experts a token gets.
    public var expertsPerToken: Int
    /// Contiguous groups of experts, of which `groupsPerToken` are kept for a token.
    public var expertGroupCount: Int
    /// Groups a token may choose its experts from.
    public var groupsPerToken: Int
    /// Whether the chosen affinities are divided by their sum.
    public var normalizesExpertWeights: Bool
    /// Factor of the routed experts' weights; the shared expert has none.
    public var routedScalingFactor: Float

    // Text and storage
    /// Generation stops at any of these ids.
    public var endOfSequenceTokens: [Int32]
    /// Block of FP8 weights; nil for a checkpoint without `quantization_config`.
    public var weightBlock: WeightBlock?

    /// nope + rope: width of a head's query and key.
    public var headDimension: Int { nopeDimension + ropeDimension }
    /// Width of the one MLP that stands for all shared experts.
    public var sharedIntermediateSize: Int { sharedExpertCount * expertIntermediateSize }
    /// Trunk and MTP layers.
    public var storedLayerCount: Int { layerCount + nextTokenLayerCount }

    /// Indexer of stored layer `layer`, the MTP layer included.
    public func indexer(ofLayer layer: Int) -> Indexer { layer < layerCount ? indexers[layer] : .full }
    /// Feed-forward of stored layer `layer`, the MTP layer included.
    public func feedForward(ofLayer layer: Int) -> FeedForward {
        layer < layerCount ? feedForwards[layer] : .sparse
    }
}
