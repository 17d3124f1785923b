/// What a request tells its owner while it runs.
package enum TokenEvent: Sendable, Equatable {
    /// The next token. The token that ends the request is reported too.
    case token(Int32)
    /// The last event.
    case finished(RequestSummary)
}

/// Why a request ended.
package enum StopReason: Sendable, Equatable {
    /// By this token, which was the last reported.
    case token(Int32)
    /// The number of tokens asked for, or the context, is full.
    case length
    /// The owner lost interest.
    case cancelled
}

/// What a request did and how long it took.
package struct RequestSummary: Sendable, Equatable {
    package var reason: StopReason
    package var promptTokens: Int
    package var generatedTokens: Int
    /// From its submission to the first forward pass it took part in.
    package var waiting: Duration
    /// From there to its first token; nil if there was none.
    package var prefill: Duration?
    /// From its first token to its last.
    package var decoding: Duration
}
