import Foundation
import GLMDecoding
import GLMEngine
import GLMModel
import GLMTensor
import GLMTestSupport
import Testing

/// Sampled tokens follow the model's distribution on the engine's whole road: drafts, verification, acceptance, requests
/// beside one another.
@Suite struct SampledDistributionTests {
    /// A model of twelve tokens in which the next depends on the last one, and on nothing else.
    struct Wheel: ModelRunner {
        struct Cache: Sendable { var length = 0 }

        let vocabularySize = 12
        let contextSize = 1 << 20
        static let logits: [Float] = [0, 0.5, -1, 1.25, 2, -0.5, 0.1, 0.2, 0.3, 1, 1.5, -2]

        /// The same logits for every token, counted from it.
        static func row(after token: Int32) -> [Float] {
            (0..<12).map { logits[($0 - Int(token) + 12) % 12] }
        }

        func makeCache() -> Cache { Cache() }
        func length(of cache: Cache) -> Int { cache.length }
        func keep(_ path: [Int], of tree: DraftTree, behind length: Int, in cache: inout Cache) {
            cache.length = length + 1 + path.count
        }
        func forward(_ steps: [SequenceStep], caches: inout [Cache]) -> ForwardOutput {
            for index in steps.indices { caches[index].length += steps[index].tokens.count }
            let rows = steps.flatMap { $0.tokens.suffix($0.logitRows) }
            return ForwardOutput(
                logits: Tensor(shape: [rows.count, 12], values: rows.flatMap { Self.row(after: $0) }),
                hidden: Tensor(zeros: [steps.reduce(0) { $0 + $1.hiddenRows }, 1]))
        }
    }

    /// Drafts the likeliest tokens behind the last one.
    struct Follower: Drafter {
        let states = MixingDrafter(probability: 0, continuations: [:], vocabularySize: 12, seed: 0)

        func makeState(prompt: [Int32]) -> DraftState { states.makeState(prompt: prompt) }
        func absorb(_ states: inout [DraftState]) {}
        func draft(_ shapes: [DraftShape], _ states: inout [DraftState]) -> [DraftTree] {
            zip(shapes, states).map { shape, state in
                var (tree, parent, last) = (DraftTree(), Int?.none, state.pendingTokens.last ?? 0)
                for _ in 0..<shape.steps {
                    let row = Wheel.row(after: last)
                    let best = row.indices.sorted { row[$0] > row[$1] }.prefix(shape.topK)
                    let first = tree.tokens.count
                    for token in best where tree.tokens.count < shape.rows - 1 {
                        tree.append(Int32(token), parent: parent)
                    }
                    guard first < tree.tokens.count else { break }
                    (parent, last) = (first, tree.tokens[first])
                }
                return tree
            }
        }
    }

    /// How likely draws are to fit worse: 20,480 of them, told apart by the token before.
    static func fit(
        _ speculation: SpeculationParameters, temperature: Float
    ) async throws -> (fit: Double, accepted: Int) {
        let requests = (0..<40).map { number in
            var sampling = SamplingParameters()
            sampling.temperature = temperature
            sampling.seed = UInt64(number)
            return GenerationRequest(
                prompt: [Int32(number % 12)], sampling: sampling, endTokens: [], maximumTokens: 512,
                speculation: speculation)
        }
        let outcomes = try await answers(requests, Wheel(), drafter: Follower())
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 12), count: 12)
        for (request, outcome) in zip(requests, outcomes) {
            for (last, next) in zip(request.prompt + outcome.tokens, outcome.tokens) {
                counts[Int(last)][Int(next)] += 1
            }
        }
        let accepted = outcomes.reduce(0) { $0 + $1.statistics.acceptedAt.reduce(0, +) }
        let fit = ChiSquare.fit(
            counts.enumerated().map { last, row in
                let weights = Wheel.row(after: Int32(last)).map { exp(Double($0 / temperature)) }
                return (row, weights.map { $0 / weights.reduce(0, +) })
            })
        return (fit, accepted)
    }

    static let shapes = [
        SpeculationParameters(steps: .fixed(3)), SpeculationParameters(steps: .fixed(4), topK: 3),
    ]

    @Test(arguments: shapes) func theDistributionStays(speculation: SpeculationParameters) async throws {
        let (fit, accepted) = try await Self.fit(speculation, temperature: 0.9)
        print("20480 draws, topk \(speculation.topK): fit \(fit), \(accepted) drafts accepted")
        #expect(fit > ChiSquare.level)
        #expect(accepted > 5000)
    }

    /// Negative control: thresholds of one half, each by itself; at 0.4 the likeliest token is likelier than that.
    @Test(arguments: shapes) func thresholdsOfOneHalfShow(speculation: SpeculationParameters) async throws {
        for (single, accumulated) in [(1, 0.5), (0.5, 1)] {
            var bent = speculation
            (bent.singleThreshold, bent.accumulatedThreshold) = (single, accumulated)
            #expect(try await Self.fit(bent, temperature: 0.4).fit < 1e-6)
        }
        #expect(try await Self.fit(speculation, temperature: 0.4).fit > ChiSquare.level)
    }
}
