package import GLMDecoding
package import GLMKernels
package import GLMModel
import GLMTensor

/// Plain decoding and several depths of drafts on the same texts, in turns, so that a machine that is slower for a while
/// is slower for all of them.
package struct SpeculationBenchmark {
    /// One column of the comparison.
    package enum Candidate: Sendable, Equatable {
        /// Chains of so many drafts; 0 is plain decoding.
        case fixed(Int)
        /// What the chooser takes, up to this.
        case automatic(Int)

        package var name: String {
            switch self {
            case .fixed(0): "plain"
            case .fixed(let steps): "\(steps)"
            case .automatic: "auto"
            }
        }
    }

    /// What one candidate did.
    package struct Result: Sendable {
        package let candidate: Candidate
        package fileprivate(set) var tokens = 0
        package fileprivate(set) var seconds = 0.0
        package fileprivate(set) var draftSeconds = 0.0
        /// Bytes of weights and cache rows that its passes could not do without.
        package fileprivate(set) var work = Work.none
        package fileprivate(set) var statistics = SpeculationStatistics()
        /// Whether its tokens were those of plain decoding.
        package fileprivate(set) var isEqual = true

        package var tokensPerSecond: Double { Double(tokens) / seconds }
        package var bytesPerToken: Double { Double(work.bytes) / Double(max(1, tokens)) }
    }

    private struct Runner {
        var result: Result
        var sequences: [SpeculativeDecoder.Sequence]
        var tokens: [[Int32]]
        var chooser: DraftLengthChooser?

        mutating func compare(with reference: [[Int32]]) {
            let isEqual = zip(tokens, reference).allSatisfy {
                let count = min($0.count, $1.count)
                return $0.prefix(count) == $1.prefix(count)
            }
            result.isEqual = result.isEqual && isEqual
        }
    }

    private let model: LanguageModel
    private let profile: Profile
    private let drafter: EagleDrafter
    private let decoder: SpeculativeDecoder

    /// - Parameter profile: the one that `model` was loaded with; it counts the work.
    /// - Precondition: the model has an MTP layer.
    package init(model: LanguageModel, profile: Profile) {
        precondition(model.compute.profile === profile, "the model reports to another profile")
        guard let drafter = EagleDrafter(model) else { preconditionFailure("a model without an MTP layer") }
        self.model = model
        self.profile = profile
        self.drafter = drafter
        decoder = SpeculativeDecoder(model, drafter: drafter)
    }

    /// Lets all candidates decode `tokens` tokens behind each prompt, `slice` at a time.
    ///
    /// The prompts of a group are one batch; one group follows the other. The first slice of all is not counted.
    package func run(
        _ candidates: [Candidate], groups: [[[Int32]]], tokens: Int, slice: Int = 8
    ) -> [Result] {
        func makeChooser(_ candidate: Candidate) -> DraftLengthChooser? {
            guard case .automatic(let maximum) = candidate else { return nil }
            let costs = drafter.expectedCosts(upTo: maximum, sequences: groups.first?.count ?? 1)
            return DraftLengthChooser(expecting: costs)
        }
        var runners = candidates.map {
            Runner(result: Result(candidate: $0), sequences: [], tokens: [], chooser: makeChooser($0))
        }
        let goals = Array(stride(from: slice, to: tokens, by: slice)) + [tokens]
        var turn = 0
        for prompts in groups {
            let begun = prompts.map { decoder.begin($0) }
            for index in runners.indices {
                (runners[index].sequences, runners[index].tokens) = (begun, begun.map { [$0.root] })
            }
            for goal in goals {
                for offset in runners.indices {
                    let index = (offset + turn) % runners.count
                    advance(&runners[index], to: goal, counts: turn > 0)
                }
                // What was learnt where nothing counts would be trials saved.
                if turn == 0 {
                    for index in runners.indices { runners[index].chooser = makeChooser(candidates[index]) }
                }
                turn += 1
            }
            let reference = runners.first { $0.result.candidate == .fixed(0) }?.tokens ?? []
            for index in runners.indices { runners[index].compare(with: reference) }
        }
        return runners.map(\.result)
    }

    /// Rounds until the sequences have `goal` tokens each on average.
    private func advance(_ runner: inout Runner, to goal: Int, counts: Bool) {
        let wanted = goal * runner.sequences.count
        while runner.tokens.reduce(0, { $0 + $1.count }) < wanted {
            let shape: DraftShape
            switch runner.result.candidate {
            case .fixed(let steps): shape = .chain(steps)
            case .automatic: shape = runner.chooser?.choose() ?? .chain(0)
            }
            let before = profile.work
            let outcome = decoder.round(shape, &runner.sequences)
            for (index, round) in outcome.rounds.enumerated() { runner.tokens[index] += round.emitted }
            runner.chooser?.observe(
                outcome.rounds.map { DraftLengthChooser.Outcome($0.draft, accepted: $0.accepted) },
                draftSeconds: outcome.draftTime / .seconds(1), verifySeconds: outcome.verifyTime / .seconds(1)
            )
            guard counts else { continue }
            runner.result.enter(outcome, work: profile.work - before)
        }
    }
}

extension SpeculationBenchmark.Result {
    init(candidate: SpeculationBenchmark.Candidate) { self.candidate = candidate }

    fileprivate mutating func enter(_ outcome: SpeculativeDecoder.Outcome, work: Work) {
        seconds += (outcome.draftTime + outcome.verifyTime) / .seconds(1)
        draftSeconds += outcome.draftTime / .seconds(1)
        self.work += work
        for round in outcome.rounds {
            tokens += round.emitted.count
            let depth = round.draft.depth
            if depth == 0 {
                statistics.addPlainStep(outcome.verifyTime, draftTime: outcome.draftTime)
            } else {
                statistics.addRound(
                    drafted: depth, accepted: round.accepted, emitted: round.emitted.count,
                    draftTime: outcome.draftTime, verifyTime: outcome.verifyTime)
            }
        }
    }

    /// How many times faster than `plain` it would be if bytes alone took time: bytes a token there over bytes a token
    /// here.
    package func idealRatio(to plain: SpeculationBenchmark.Result) -> Double {
        plain.bytesPerToken / bytesPerToken
    }

    /// How many times faster than `plain` it was.
    package func ratio(to plain: SpeculationBenchmark.Result) -> Double {
        tokensPerSecond / plain.tokensPerSecond
    }
}
