internal import GLMDecoding
package import GLMFiles
internal import GLMModel
internal import GLMTensor

/// Runs requests on a model: they join and leave a common batch between forward passes, and each reports its tokens.
///
/// The actor's executor is a thread of its own, on which the forward passes block. What a request gets depends on the
/// request alone: not on the others, not on the prefill chunk. It knows no text.
package actor InferenceEngine<Runner: ModelRunner> {
    package nonisolated let runner: Runner
    private let thread: EngineThread
    private var scheduler: Scheduler
    private var sampler = Sampler()
    private var active: [Int: ActiveRequest<Runner.Cache>] = [:]
    private var submitted = 0
    private var isStepping = false

    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    package init(runner: Runner, options: Scheduler.Options) {
        self.runner = runner
        scheduler = Scheduler(options: options)
        thread = EngineThread()
    }

    /// Requests that are running or waiting.
    package var requestCount: Int { active.count }

    /// Begins a request.
    ///
    /// When it is cancelled, its stream of events is dropped, or the task that reads them is cancelled, it ends after the step that is running
    /// and its cache is freed.
    /// - Throws: an `InputError` if the request cannot be served by this model.
    package func submit(_ request: GenerationRequest) throws(InputError) -> RunningRequest {
        try request.validate(vocabularySize: runner.vocabularySize, contextSize: runner.contextSize)
        let (stream, continuation) = AsyncStream<TokenEvent>.makeStream()
        let id = submitted
        submitted += 1
        let interest = Interest()
        continuation.onTermination = { _ in interest.end() }
        active[id] = ActiveRequest(
            request, contextSize: runner.contextSize, continuation: continuation, interest: interest)
        scheduler.submit(id, prompt: request.prompt)
        if !isStepping {
            isStepping = true
            Task { await self.run() }
        }
        return RunningRequest(events: stream, interest: interest)
    }

    /// Steps until no request is left; between two steps the actor is free to accept or drop requests.
    private func run() async {
        while true {
            dropAbandoned()
            let plan = scheduler.plan()
            guard !plan.isEmpty else { break }
            step(plan)
            await Task.yield()
        }
        isStepping = false
    }

    private func dropAbandoned() {
        for id in scheduler.sequences where active[id]?.interest.hasEnded == true {
            active.removeValue(forKey: id)?.finish(.cancelled)
            scheduler.remove(id)
        }
    }

    /// One forward pass, then a token for every sequence whose known tokens are all fed.
    private func step(_ plan: [Scheduler.Share]) {
        // Requests are taken out of the dictionary, caches out of the requests: a second owner would make pages be copied.
        var requests = plan.compactMap { active.removeValue(forKey: $0.sequence) }
        precondition(requests.count == plan.count, "a planned sequence is not active")
        var caches = requests.indices.map { requests[$0].takeCache() ?? runner.makeCache() }
        let steps = plan.map { SequenceStep(tokens: $0.tokens, logitRows: $0.isComplete ? 1 : 0) }
        let logits = runner.forward(steps, caches: &caches)
        var row = 0
        for (index, share) in plan.enumerated() {
            requests[index].cache = caches[index]
            if share.isComplete {
                let reason = requests[index].accept(logits.row(row), sampler: &sampler)
                row += 1
                if let reason {
                    requests[index].finish(reason)
                    scheduler.remove(share.sequence)
                    continue
                }
                scheduler.commit(requests[index].lastToken, to: share.sequence)
            }
            active[share.sequence] = requests[index]
        }
    }
}
