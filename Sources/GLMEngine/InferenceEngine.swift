package import GLMDecoding
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
    private let drafter: (any Drafter)?
    private var planner = DraftPlanner()
    private var verifier = Verifier()
    private var active: [Int: ActiveRequest<Runner.Cache>] = [:]
    private var submitted = 0
    private var isStepping = false

    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    /// - Parameter drafter: guesses tokens for requests that want it; nil refuses them.
    package init(runner: Runner, options: Scheduler.Options, drafter: (any Drafter)? = nil) {
        self.runner = runner
        self.drafter = drafter
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
        try request.validate(
            vocabularySize: runner.vocabularySize, contextSize: runner.contextSize, drafts: drafter != nil)
        let (stream, continuation) = AsyncStream<TokenEvent>.makeStream()
        let id = submitted
        submitted += 1
        let interest = Interest()
        continuation.onTermination = { _ in interest.end() }
        active[id] = ActiveRequest(
            request, contextSize: runner.contextSize, continuation: continuation, interest: interest,
            draft: request.speculation == nil ? nil : drafter?.makeState(prompt: request.prompt))
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

    /// Drafts, one forward pass, then tokens for every sequence whose known tokens are all fed.
    private func step(_ plan: [Scheduler.Share]) {
        let clock = ContinuousClock()
        let start = clock.now
        // Requests are taken out of the dictionary, caches out of the requests: a second owner would make pages be copied.
        var requests = plan.compactMap { active.removeValue(forKey: $0.sequence) }
        precondition(requests.count == plan.count, "a planned sequence is not active")
        let drafts = draft(plan, &requests)
        let drafted = clock.now
        var caches = requests.indices.map { requests[$0].takeCache() ?? runner.makeCache() }
        let lengths = caches.map { runner.length(of: $0) }
        let steps = requests.indices.map { requests[$0].step(plan[$0], drafts[$0], length: lengths[$0]) }
        let output = runner.forward(steps, caches: &caches)
        var account = StepAccount(draftTime: start.duration(to: drafted))
        var (row, hiddenRow) = (0, 0)
        for index in plan.indices {
            defer {
                row += steps[index].logitRows
                hiddenRow += steps[index].hiddenRows
            }
            guard plan[index].isComplete else {
                if requests[index].draft != nil {
                    let rows = Array(hiddenRow..<(hiddenRow + steps[index].hiddenRows))
                    requests[index].absorb(plan[index].tokens.count, hidden: output.hidden.rows(rows))
                }
                requests[index].cache = caches[index]
                continue
            }
            let tree = drafts[index] ?? DraftTree()
            let outcome = requests[index].accept(
                tree, output, first: row, hidden: hiddenRow, fed: plan[index].tokens.count,
                verifier: &verifier)
            if drafts[index] != nil {
                runner.keep(outcome.path, of: tree, behind: lengths[index], in: &caches[index])
                let speculation = requests[index].speculation ?? SpeculationParameters()
                account.enter(
                    tree, accepted: outcome.path.count, emitted: outcome.emitted,
                    isLast: outcome.end != nil, request: index,
                    maximum: speculation.isAutomatic ? speculation.shape.steps : nil)
            }
            requests[index].cache = caches[index]
            account.ends[index] = outcome.end
        }
        account.verifyTime = drafted.duration(to: clock.now)
        settle(plan, &requests, account)
    }

    /// What every decoding sequence that speculates drafts; an empty draft is a plain step, nil is not a decoding one.
    private func draft(
        _ plan: [Scheduler.Share], _ requests: inout [ActiveRequest<Runner.Cache>]
    ) -> [DraftTree?] {
        var drafts = [DraftTree?](repeating: nil, count: plan.count)
        guard let drafter else { return drafts }
        let candidates = plan.indices.filter { requests[$0].draft != nil && plan[$0].isDecoding }
        guard !candidates.isEmpty else { return drafts }
        let shapes = planner.plan(
            candidates.map { index in
                DraftPlanner.Candidate(
                    parameters: requests[index].speculation ?? SpeculationParameters(),
                    room: requests[index].room,
                    rows: runner.contextSize - (requests[index].cache.map { runner.length(of: $0) } ?? 0))
            }, decoding: plan.count { $0.isDecoding }, isPure: plan.allSatisfy(\.isDecoding),
            drafter: drafter)
        let places = candidates.indices.filter { shapes[$0].steps > 0 }
        // Moved, not copied, like the caches.
        var states = places.compactMap { requests[candidates[$0]].draft.take() }
        let trees = places.isEmpty ? [] : drafter.draft(places.map { shapes[$0] }, &states)
        for index in candidates { drafts[index] = DraftTree() }
        for (number, place) in places.enumerated() {
            drafts[candidates[place]] = trees[number]
            requests[candidates[place]].draft = states[number]
        }
        return drafts
    }

    /// Enters what a step did, lets drafters take in what they can, and sends the requests on, or to their end.
    private func settle(
        _ plan: [Scheduler.Share], _ requests: inout [ActiveRequest<Runner.Cache>], _ account: StepAccount
    ) {
        planner.observe(account)
        let plain = planner.plainSecondsOfStep
        for round in account.rounds {
            requests[round.request].statistics.add(round, account, plainSeconds: plain)
        }
        absorb(&requests)
        for (index, share) in plan.enumerated() {
            if let end = account.ends[index] {
                requests[index].finish(end)
                scheduler.remove(share.sequence)
                continue
            }
            if share.isComplete { scheduler.commit(requests[index].lastToken, to: share.sequence) }
            active[share.sequence] = requests[index]
        }
    }

    /// Hidden states that wait for the drafter are handed to it before they become many.
    private func absorb(_ requests: inout [ActiveRequest<Runner.Cache>]) {
        guard let drafter else { return }
        let full = requests.indices.filter {
            (requests[$0].draft?.pendingTokens.count ?? 0) > DraftPlanner.pendingRows
        }
        guard !full.isEmpty else { return }
        var states = full.compactMap { requests[$0].draft.take() }
        drafter.absorb(&states)
        for (number, index) in full.enumerated() { requests[index].draft = states[number] }
    }
}
