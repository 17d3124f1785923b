package import GLMEngine

/// A running answer: an asynchronous sequence of its events, to be read once.
///
/// Reading ends the answer when the reader stops: dropping the sequence or cancelling the reading task cancels the request
/// within one step.
public struct Generation: AsyncSequence, Sendable {
    /// Pieces of text, then a summary.
    public typealias Element = GenerationEvent
    /// Nothing can fail once a request is accepted.
    public typealias Failure = Never

    /// The tokens of the prompt that is continued.
    public let promptTokens: [Int32]
    private let request: RunningRequest
    private let assembler: TextAssembler

    package init(promptTokens: [Int32], request: RunningRequest, assembler: TextAssembler) {
        self.promptTokens = promptTokens
        self.request = request
        self.assembler = assembler
    }

    /// Begins the one reading.
    public func makeAsyncIterator() -> Iterator {
        Iterator(request, assembler, promptCount: promptTokens.count)
    }

    /// Ends the answer after the step that is running. Its events go on until `.finished`, which tells what it cost.
    public func cancel() { request.cancel() }

    /// Reads to the end; nil if the events were already read.
    public func completion() async -> Completion? {
        var text = ""
        var tokens: [Int32] = []
        for await event in self {
            switch event {
            case .piece(let piece):
                text += piece.text
                tokens += piece.tokens
            case .finished(let summary): return Completion(text: text, tokens: tokens, summary: summary)
            }
        }
        return nil
    }
}

extension Generation {
    /// Turns the engine's tokens into text as they are asked for.
    public struct Iterator: AsyncIteratorProtocol {
        private let request: RunningRequest
        private var events: AsyncStream<TokenEvent>.Iterator
        private var assembler: TextAssembler
        private let promptCount: Int
        private var completionTokens = 0
        /// Made but not yet handed out.
        private var summary: GenerationSummary?
        private var isOver = false

        init(_ request: RunningRequest, _ assembler: TextAssembler, promptCount: Int) {
            self.request = request
            self.assembler = assembler
            self.promptCount = promptCount
            events = request.events.makeAsyncIterator()
        }

        /// The next event, waited for; nil after the last.
        public mutating func next() async -> GenerationEvent? {
            await next(isolation: nil)
        }

        /// The same on a given actor.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> GenerationEvent? {
            if let summary { return last(summary) }
            guard !isOver else { return nil }
            switch await events.next(isolation: actor) {
            case .token(let token):
                completionTokens += 1
                let text = assembler.append(token)
                if let stop = assembler.stopString {
                    request.cancel()
                    summary = await drain(because: .stopString(stop), isolation: actor)
                }
                return .piece(TextPiece(text: text, tokens: [token]))
            case .endToken(let token):
                completionTokens += 1
                return .piece(TextPiece(text: "", tokens: [token]))
            case .finished(let engine):
                return end(GenerationSummary(engine, completionTokens, FinishReason(engine.reason)))
            case nil:
                // The reading task was cancelled; the engine's account does not reach it any more.
                return last(GenerationSummary(cancelledAfter: completionTokens, promptTokens: promptCount))
            }
        }

        /// Gives out what was held back, then the summary.
        private mutating func end(_ summary: GenerationSummary) -> GenerationEvent {
            let text = assembler.finish()
            guard !text.isEmpty else { return last(summary) }
            self.summary = summary
            return .piece(TextPiece(text: text, tokens: []))
        }

        private mutating func last(_ summary: GenerationSummary) -> GenerationEvent {
            self.summary = nil
            isOver = true
            return .finished(summary)
        }

        /// Waits for the engine's account of a request that was cancelled. Tokens that are still under way do not count.
        private mutating func drain(
            because reason: FinishReason, isolation actor: isolated (any Actor)?
        ) async -> GenerationSummary {
            while let event = await events.next(isolation: actor) {
                if case .finished(let engine) = event {
                    return GenerationSummary(engine, completionTokens, reason)
                }
            }
            return GenerationSummary(cancelledAfter: completionTokens, promptTokens: promptCount)
        }
    }
}

extension GenerationSummary {
    fileprivate init(_ engine: RequestSummary, _ completionTokens: Int, _ reason: FinishReason) {
        self.init(
            finishReason: reason, promptTokens: engine.promptTokens, completionTokens: completionTokens,
            queueTime: engine.waiting, promptTime: engine.prefill, generationTime: engine.decoding,
            speculation: engine.speculation)
    }

    fileprivate init(cancelledAfter completionTokens: Int, promptTokens: Int) {
        self.init(
            finishReason: .cancelled, promptTokens: promptTokens, completionTokens: completionTokens,
            queueTime: .zero,
            promptTime: nil, generationTime: .zero)
    }
}

extension FinishReason {
    fileprivate init(_ reason: StopReason) {
        switch reason {
        case .token(let token): self = .endToken(token)
        case .length: self = .length
        case .cancelled: self = .cancelled
        }
    }
}
