internal import GLMDecoding
internal import GLMModel
internal import GLMTensor
internal import Synchronization

/// A request that runs: its cache, what it has generated, and who listens.
struct ActiveRequest<Cache: Sendable>: Sendable {
    let interest: Interest
    /// nil before the first forward pass.
    var cache: Cache?
    /// What drafting remembers; nil without speculation.
    var draft: DraftState?
    var statistics = SpeculationStatistics()
    /// The token generated last; the prompt's last one before.
    private(set) var lastToken: Int32

    private let request: GenerationRequest
    private let wishes: Verifier.Wishes
    private let limit: Int
    private let continuation: AsyncStream<TokenEvent>.Continuation
    private var history: TokenHistory
    private var times: Times
    /// Tokens of the prompt that were fed.
    private var fed = 0

    /// - Parameter draft: what a drafter remembers of the prompt, for a request that speculates.
    /// - Precondition: the request is valid for `contextSize`.
    init(
        _ request: GenerationRequest, contextSize: Int, continuation: AsyncStream<TokenEvent>.Continuation,
        interest: Interest, draft: DraftState?
    ) {
        self.request = request
        self.interest = interest
        self.continuation = continuation
        self.draft = draft
        wishes = Verifier.Wishes(
            parameters: request.sampling, stops: request.stops, rule: request.speculation?.rule ?? .exact)
        limit = request.maximumTokens ?? contextSize - request.prompt.count
        history = TokenHistory(prompt: request.prompt)
        lastToken = request.prompt[request.prompt.count - 1]
        times = Times(submitted: .now)
    }

    var speculation: SpeculationParameters? { request.speculation }

    /// Tokens that may still be generated.
    var room: Int { limit - history.generatedCount }

    /// Gives the cache away, and notes that the request takes part in a forward pass.
    mutating func takeCache() -> Cache? {
        if times.started == nil { times.started = .now }
        return cache.take()
    }

    /// The rows of the next forward pass: the share's tokens, and what was drafted behind them.
    func step(_ share: Scheduler.Share, _ tree: DraftTree?, length: Int) -> SequenceStep {
        if let tree, let root = share.tokens.first { return tree.step(root: root, length: length) }
        return SequenceStep(
            tokens: share.tokens, logitRows: share.isComplete ? 1 : 0,
            hiddenRows: draft == nil ? nil : share.tokens.count)
    }

    /// Takes in a part of the prompt that is not its end, for the drafter.
    mutating func absorb(_ tokens: Int, hidden: Tensor) {
        fed += tokens
        let next = Array(request.prompt[(fed - tokens + 1)...fed])
        draft?.commit(next, hidden: hidden, generated: 0)
    }

    /// Chooses the tokens behind the rows of a step and reports them; the reason if the request ends with one.
    ///
    /// - Parameters:
    ///   - tree: what was drafted behind the last token.
    ///   - first: the row of the output's logits that belongs to the last token fed.
    ///   - hidden: the row of the output's hidden states that belongs to the first token fed.
    /// - Returns: the drafted tokens that stand.
    mutating func accept(
        _ tree: DraftTree, _ output: ForwardOutput, first: Int, hidden: Int, fed count: Int,
        verifier: inout Verifier
    ) -> (path: [Int], emitted: Int, end: StopReason?) {
        var emitted: [Int32] = []
        var end: StopReason?
        let path = Verifier.walk(tree, logits: output.logits, first: first) { row, drafted in
            end = accept(row, drafted: drafted, verifier: &verifier)
            emitted.append(lastToken)
            return (lastToken, end == nil)
        }
        if draft != nil, end == nil {
            // Known tokens t_{i+1} of the rows that stay: the rest of the prompt, then what was just chosen.
            let known = fed < request.prompt.count ? Array(request.prompt[(fed + 1)...]) : []
            let kept = Array(hidden..<(hidden + count)) + path.map { hidden + count + $0 }
            draft?.commit(known + emitted, hidden: output.hidden.rows(kept), generated: emitted.count)
            fed = request.prompt.count
        }
        return (path, emitted.count, end)
    }

    /// Chooses the next token from its logits and reports it; the reason if the request ends with it.
    private mutating func accept(
        _ logits: ArraySlice<Float>, drafted: [Int32], verifier: inout Verifier
    ) -> StopReason? {
        let token = verifier.choose(
            logits, drafted: drafted, wishes: wishes, history: history,
            position: request.prompt.count + history.generatedCount)
        history.append(token)
        lastToken = token
        times.last = .now
        if times.first == nil { times.first = times.last }
        if wishes.stops.contains(token), history.generatedCount > request.sampling.minimumTokens {
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
                    decoding: times.duration(from: \.first, to: \.last) ?? .zero,
                    speculation: speculation == nil ? nil : statistics)))
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
