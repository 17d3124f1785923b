internal import GLMDecoding
internal import Synchronization

/// A request that runs: its cache, what it has generated, and who listens.
struct ActiveRequest<Cache: Sendable>: Sendable {
    let interest: Interest
    /// nil before the first forward pass.
    var cache: Cache?
    /// The token generated last; the prompt's last one before.
    private(set) var lastToken: Int32

    private let request: GenerationRequest
    private let stops: [Int32]
    private let limit: Int
    private let continuation: AsyncStream<TokenEvent>.Continuation
    private var history: TokenHistory
    private var times: Times

    /// - Precondition: the request is valid for `contextSize`.
    init(
        _ request: GenerationRequest, contextSize: Int, continuation: AsyncStream<TokenEvent>.Continuation,
        interest: Interest
    ) {
        self.request = request
        self.interest = interest
        self.continuation = continuation
        stops = request.stops
        limit = request.maximumTokens ?? contextSize - request.prompt.count
        history = TokenHistory(prompt: request.prompt)
        lastToken = request.prompt[request.prompt.count - 1]
        times = Times(submitted: .now)
    }

    /// Gives the cache away, and notes that the request takes part in a forward pass.
    mutating func takeCache() -> Cache? {
        if times.started == nil { times.started = .now }
        return cache.take()
    }

    /// Draws the next token from its logits and reports it; the reason if the request ends with it.
    mutating func accept(_ logits: ArraySlice<Float>, sampler: inout Sampler) -> StopReason? {
        let token = sampler.sample(
            logits, parameters: request.sampling, history: history, stops: stops,
            position: request.prompt.count + history.generatedCount)
        history.append(token)
        lastToken = token
        times.last = .now
        if times.first == nil { times.first = times.last }
        if stops.contains(token), history.generatedCount > request.sampling.minimumTokens {
            continuation.yield(.endToken(token))
            return .token(token)
        }
        continuation.yield(.token(token))
        return history.generatedCount >= limit ? .length : nil
    }

    /// Reports the end. Nothing follows.
    func finish(_ reason: StopReason) {
        continuation.yield(
            .finished(
                RequestSummary(
                    reason: reason, promptTokens: request.prompt.count,
                    generatedTokens: history.generatedCount,
                    waiting: times.submitted.duration(to: times.started ?? .now),
                    prefill: times.duration(from: \.started, to: \.first),
                    decoding: times.duration(from: \.first, to: \.last) ?? .zero)))
        continuation.finish()
    }
}

/// When things happened to a request.
private struct Times: Sendable {
    let submitted: ContinuousClock.Instant
    var started: ContinuousClock.Instant?
    var first: ContinuousClock.Instant?
    var last: ContinuousClock.Instant?

    func duration(
        from begin: KeyPath<Times, ContinuousClock.Instant?>, to end: KeyPath<Times, ContinuousClock.Instant?>
    ) -> Duration? {
        guard let begin = self[keyPath: begin], let end = self[keyPath: end] else { return nil }
        return begin.duration(to: end)
    }
}

/// Whether somebody still reads a request's events. Set from any thread, read between steps.
final class Interest: Sendable {
    private let ended = Atomic<Bool>(false)

    var hasEnded: Bool { ended.load(ordering: .acquiring) }
    func end() { ended.store(true, ordering: .releasing) }
}
