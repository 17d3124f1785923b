package import GLMKernels
package import GLMModel
package import GLMParallel
import GLMTensor

/// Runs tests on a loaded model. The forward passes are those of `generate`; nothing but an argmax is added.
package struct BenchmarkRunner {
    let model: LanguageModel
    let profile: Profile
    let probe: MachineProbe
    /// Prompt tokens of one forward pass.
    let chunk: Int

    /// - Parameters:
    ///   - profile: the one that `model` was loaded with; it counts the work.
    ///   - chunk: prompt tokens of one forward pass, as the scheduler cuts them.
    package init(model: LanguageModel, profile: Profile, probe: MachineProbe, chunk: Int) {
        precondition(model.compute.profile === profile, "the model reports to another profile")
        precondition(chunk > 0, "prompts in chunks of \(chunk)")
        self.model = model
        self.profile = profile
        self.probe = probe
        self.chunk = chunk
    }

    /// Prepares `test`, runs it once without looking, then `repetitions` times with the clock.
    ///
    /// The profile is emptied before the first timed run and holds all of them at the end.
    /// - Precondition: the model's context has room for the test; at least one repetition.
    package func run(_ test: BenchmarkTest, repetitions: Int) -> BenchmarkResult {
        let filled = prepare(test)
        warmUp(test, filled)
        profile.reset()
        return BenchmarkResult(
            test: test, threads: model.compute.pool.threads,
            repetitions: (0..<repetitions).map { _ in repetition(test, filled) })
    }

    /// Prepares all of `tests`, then times each once, then each again, so that tests are compared in one state of the
    /// machine. The caches of all of them are in memory at once; the profile holds all of it together.
    package func runInTurns(_ tests: [BenchmarkTest], repetitions: Int) -> [BenchmarkResult] {
        let filled = tests.map(prepare)
        for (test, caches) in zip(tests, filled) { warmUp(test, caches) }
        profile.reset()
        var timed = [[BenchmarkResult.Repetition]](repeating: [], count: tests.count)
        for _ in 0..<repetitions {
            for index in tests.indices { timed[index].append(repetition(tests[index], filled[index])) }
        }
        return tests.indices.map {
            BenchmarkResult(
                test: tests[$0], threads: model.compute.pool.threads, repetitions: timed[$0])
        }
    }

    /// What the devices that share the model have exchanged so far.
    package var traffic: TrafficReport { TrafficReport(devices: model.deviceReports().map(\.traffic)) }

    /// Lets the other devices go; nothing can be run afterwards.
    package func disband() { model.disband() }

    /// Caches as deep as the test asks.
    private func prepare(_ test: BenchmarkTest) -> [SequenceCache] {
        let (sequences, depth) =
            switch test {
            case .prefill(_, let depth): (1, depth)
            case .decode(_, let depth, let sequences): (sequences, depth)
            }
        return (0..<sequences).map { sequence in
            var caches = [model.makeCache()]
            for step in prompt(depth, sequence: sequence) { _ = model.forward([step], caches: &caches) }
            return caches[0]
        }
    }

    /// Enough of the test for pages, caches and buffers to be there.
    private func warmUp(_ test: BenchmarkTest, _ filled: [SequenceCache]) {
        var limits = LimitSampler(probe, model.compute)
        switch test {
        case .prefill(let tokens, _): prefill(Array(prompt(tokens, sequence: 0).prefix(1)), filled, &limits)
        case .decode(let tokens, _, _): decode(min(tokens, 4), filled, &limits)
        }
    }

    private func repetition(_ test: BenchmarkTest, _ filled: [SequenceCache]) -> BenchmarkResult.Repetition {
        var limits = LimitSampler(probe, model.compute)
        let before = work
        let seconds =
            switch test {
            case .prefill(let tokens, _): prefill(prompt(tokens, sequence: 0), filled, &limits)
            case .decode(let tokens, _, _): decode(tokens, filled, &limits)
            }
        return BenchmarkResult.Repetition(
            tokens: test.tokenCount, seconds: seconds, work: work - before, limits: limits.limits)
    }

    /// What all devices have done so far, each byte and operation of each counted.
    private var work: Work {
        model.deviceReports().reduce(.none) { $0 + $1.work }
    }

    /// Seconds of the forward passes over `steps`.
    @discardableResult
    private func prefill(
        _ steps: [SequenceStep], _ filled: [SequenceCache], _ limits: inout LimitSampler
    ) -> Double {
        var caches = filled
        var total = 0.0
        for step in steps {
            limits.advance(0)
            let seconds = elapsed { _ = model.forward([step], caches: &caches) }
            limits.advance(seconds)
            total += seconds
        }
        return total
    }

    /// Seconds of `count` steps in which every sequence takes its most probable next token.
    @discardableResult
    private func decode(_ count: Int, _ filled: [SequenceCache], _ limits: inout LimitSampler) -> Double {
        var caches = filled
        var tokens = filled.indices.map { token(at: filled[$0].length, sequence: $0) }
        var total = 0.0
        limits.advance(0)
        for _ in 0..<count {
            let seconds = elapsed {
                let steps = tokens.map { SequenceStep(tokens: [$0], logitRows: 1) }
                let logits = model.forward(steps, caches: &caches).logits
                tokens = unsafe logits.values.withUnsafeBufferPointer { values in
                    tokens.indices.map { row in
                        guard let base = values.baseAddress else { return 0 }
                        return unsafe Int32(argmax(base + row * logits.width, count: logits.width))
                    }
                }
            }
            limits.advance(seconds)
            total += seconds
        }
        return total
    }

    /// A synthetic prompt in chunks; only its last row asks for logits.
    private func prompt(_ count: Int, sequence: Int) -> [SequenceStep] {
        let tokens = (0..<count).map { token(at: $0, sequence: sequence) }
        return stride(from: 0, to: count, by: chunk).map { start in
            let end = min(count, start + chunk)
            return SequenceStep(tokens: Array(tokens[start..<end]), logitRows: end == count ? 1 : 0)
        }
    }

    /// A token of the whole vocabulary, a function of its place alone.
    private func token(at position: Int, sequence: Int) -> Int32 {
        let random = CounterRandom(seed: UInt64(sequence), stream: 0x62656e63)  // "benc"
        return Int32(random.bits(at: UInt64(position)) % UInt64(model.configuration.vocabularySize))
    }
}
