package import GLMDecoding

/// What a request tells its owner while it runs.
package enum TokenEvent: Sendable, Equatable {
    /// The next token.
    case token(Int32)
    /// The next token, which ends the request: an end token of the model or a stop token of the request.
    case endToken(Int32)
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
    /// What drafting did; nil for a request that asked for none.
    package var speculation: SpeculationStatistics?
}

/// A request that an engine has accepted.
package struct RunningRequest: Sendable {
    /// Ends with `.finished`, unless the reading task is cancelled. Dropping it cancels the request.
    package let events: AsyncStream<TokenEvent>
    let interest: Interest

    /// Ends the request after the step that is running; its events go on until `.finished`.
    package func cancel() { interest.end() }
}
