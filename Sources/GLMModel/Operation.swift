package import GLMKernels

/// The steps of a forward pass, by the names of the layers that take them: what a profile tells apart.
package enum Operation: String, Sendable, CaseIterable {
    /// Rows of the embedding, widened.
    case embedding
    /// W^EH [e; u], the input of the MTP layer, with the norms before it.
    case draftInput
    /// What later rows attend to, of rows of the MTP layer that nobody reads.
    case draftCache
    /// RMSNorm before attention.
    case inputNorm
    /// What is made of the layer's input, W^DQ x, W^DKV x and the indexer's W^K x and W^w x; norms, rotation
    /// and the write to the cache.
    case down
    /// q = W^UQ c^Q, and the indexer's queries where it scores.
    case queryUp
    /// Key of the indexer: norm, rotation, write.
    case indexKey
    /// Index scores and the selection of the largest.
    case indexScores
    /// q̃ = Wkᵀ q_nope beside the rotated q^R.
    case absorb
    /// softmax(q̃ · K) · C over the selected rows.
    case attention
    /// o = W^UV ô
    case expand
    /// W^O o
    case output
    /// The residual sum and the RMSNorm before the feed-forward part.
    case attentionNorm
    /// The MLP of a dense layer.
    case dense
    /// Router, affinities and choice; the shared expert's first two products.
    case gate
    /// Routed experts on their tokens, and the shared expert's last product.
    case experts
    /// Weighted sum of the experts, the shared one last.
    case combine
    /// The residual sum behind a layer.
    case residual
    /// Norm of the rows that are read, then the head.
    case head
}

extension Compute {
    /// Tells the profile, if there is one, that `operation` has just ended.
    package func finished(_ operation: Operation, layer: Int? = nil) {
        profile?.lap(operation.rawValue, layer: layer)
    }
}

extension Profile {
    /// Starts the stopwatch for a forward pass: `decode` when every sequence takes one token, `verify` when all
    /// rows want logits, as those behind drafts do, else `prefill`.
    package func begin(_ steps: [SequenceStep]) {
        let isDecode = steps.allSatisfy { $0.tokens.count == 1 }
        let isVerify = steps.allSatisfy { $0.tokens.count == $0.logitRows }
        begin(
            isDecode ? "decode" : isVerify ? "verify" : "prefill",
            tokens: steps.reduce(0) { $0 + $1.tokens.count })
    }
}
