import GLMDecoding
import GLMFiles
package import GLMModel
package import GLMTensor

/// Computes, from the inputs stored in a golden file, what the file says a reference computed.
package struct GoldenReproduction {
    private let model: LanguageModel

    package init(_ model: LanguageModel) { self.model = model }

    /// All intermediates of one prompt, run in one pass from position 0, under `prefix`.
    package func prompt(_ tokens: [Int32], prefix: String, withCaches: Bool) -> [String: GoldenArray] {
        var recorder = GoldenRecorder()
        var caches = [model.makeCache()]
        let output = model.forward(
            [SequenceStep(tokens: tokens, logitRows: tokens.count)], caches: &caches,
            trace: { recorder.record($0) })
        return recorder.arrays(
            prefix: prefix, logits: output.logits, configuration: model.configuration, cache: caches[0],
            withCaches: withCaches)
    }

    /// A prompt in one pass, then forced tokens one at a time: logits `[N + 1, V]`, selections `[N, L, P +
    /// N]`.
    package func decode(prompt: [Int32], forced: [Int32]) -> [String: GoldenArray] {
        var caches = [model.makeCache()]
        var logits = model.forward([SequenceStep(tokens: prompt, logitRows: 1)], caches: &caches).logits
            .values
        var flags: [UInt8] = []
        let keys = prompt.count + forced.count
        for token in forced {
            var recorder = GoldenRecorder()
            let output = model.forward(
                [SequenceStep(tokens: [token], logitRows: 1)], caches: &caches, trace: { recorder.record($0) }
            )
            logits.append(contentsOf: output.logits.values)
            if case .flag(let members) = GoldenRecorder.membership(recorder.selections, keys: keys).values {
                flags.append(contentsOf: members)
            }
        }
        let configuration = model.configuration
        return [
            "decode.logits": GoldenArray(
                shape: [forced.count + 1, configuration.vocabularySize], values: .float(logits)),
            "decode.selected": GoldenArray(
                shape: [forced.count, configuration.layerCount, keys], values: .flag(flags)),
        ]
    }

    /// Greedy continuation of a prompt, end-of-sequence tokens ignored.
    package func greedy(prompt: [Int32], count: Int) -> [String: GoldenArray] {
        var caches = [model.makeCache()]
        var tokens: [Int32] = []
        var next = prompt
        while tokens.count < count {
            let output = model.forward([SequenceStep(tokens: next, logitRows: 1)], caches: &caches)
            let token = largestIndex(output.logits.values)
            tokens.append(token)
            next = [token]
        }
        return ["greedy.tokens": GoldenArray(shape: [count], values: .integer(tokens))]
    }

    /// The MTP layer on a sequence of its own: row i takes token i + 1 and the given hidden state at position i.
    package func nextToken(tokens: [Int32], previousHidden: Tensor) -> [String: GoldenArray] {
        guard model.eagleHead != nil else { return [:] }
        var recorder = GoldenRecorder()
        var caches = [model.makeDraftCache()]
        let rows = tokens.count - 1
        let output = model.draft(
            [EagleStep(tokens: Array(tokens.dropFirst()), hidden: previousHidden, logitRows: rows)],
            caches: &caches, trace: { recorder.record($0) })
        let width = model.configuration.hiddenSize
        let selected = GoldenRecorder.membership(recorder.selections, keys: rows)
        return [
            "mtp.layer_input": GoldenArray(shape: [rows, width], values: .float(recorder.hidden[0])),
            "mtp.layer_output": GoldenArray(shape: [rows, width], values: .float(recorder.hidden[1])),
            "mtp.final_norm": GoldenArray(shape: [rows, width], values: .float(output.hidden.values)),
            "mtp.logits": GoldenArray(shape: output.logits.shape, values: .float(output.logits.values)),
            "mtp.selected": GoldenArray(shape: [rows, rows], values: selected.values),
        ]
    }

    /// Greedy chain speculation until `count` tokens were emitted; the last round is not trimmed.
    package func speculation(prompt: [Int32], steps: Int, count: Int) -> [String: GoldenArray] {
        guard let decoder = SpeculativeDecoder(model, keepsLogits: true) else { return [:] }
        var sequences = [decoder.begin(prompt)]
        var tokens = [sequences[0].root]
        var rounds: [Int32] = []
        var logits: [Float] = []
        while tokens.count < count {
            let round = decoder.round(steps: steps, &sequences)[0]
            rounds += [round.root] + round.draft.tokens + [Int32(round.accepted)]
            logits += round.draft.logits?.values ?? []
            tokens += round.emitted
        }
        let played = rounds.count / (steps + 2)
        return [
            "spec.rounds": GoldenArray(shape: [played, steps + 2], values: .integer(rounds)),
            "spec.draft_logits": GoldenArray(
                shape: [played, steps, model.configuration.vocabularySize], values: .float(logits)),
            "spec.tokens": GoldenArray(shape: [tokens.count], values: .integer(tokens)),
        ]
    }

    private func largestIndex(_ logits: [Float]) -> Int32 {
        var best = 0
        for (index, value) in logits.enumerated() where value > logits[best] { best = index }
        return Int32(best)
    }
}
