package import GLMTensor

/// An intermediate of a forward pass, for whoever compares or writes them. Nothing is computed for a trace
/// that the forward pass would not compute otherwise, except scores of rows that see few keys.
package enum TraceEvent {
    /// The residual stream: 0 is the embedding, i + 1 the output of layer i. `[rows, hidden]`
    case hidden(index: Int, Tensor)
    /// W^O o of a layer, before it is added. `[rows, hidden]`
    case attention(layer: Int, Tensor)
    /// The keys a layer attended to.
    case selection(layer: Int, KeySelection)
    /// Scores of a layer's indexer, zero where a row does not see the key. `[rows, keys]`
    case indexScores(layer: Int, Tensor)
    /// Gate logits `[rows, experts]` and the routing made from them.
    case routing(layer: Int, logits: Tensor, Routing)
    /// RMSNorm of the last residual stream. `[rows, hidden]`
    case finalNorm(Tensor)
}

/// Receives the intermediates of a forward pass, in the order they arise.
package typealias Trace = (TraceEvent) -> Void
