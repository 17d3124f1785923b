import GLMDecoding
import GLMEngine
import GLMModel
import GLMSynthesis
import GLMTensor
import Testing

/// With `index_share_for_mtp_iteration` later drafts attend to the keys that their round's first row chose; without it
/// each row chooses its own. Both are compared with passes made here, row by row.
@Suite struct SharedDraftIndexTests {
    static let steps = 4

    /// A prompt that went through the trunk.
    struct Start {
        let prompt: [Int32]
        let tokens: [Int32]
        let hidden: Tensor

        init(_ model: LanguageModel, length: Int) {
            prompt = SpeculativeDecoderTests.prompt(length, salt: length, vocabulary: model.vocabularySize)
            var caches = [model.makeCache()]
            let output = model.forward(
                [SequenceStep(tokens: prompt, logitRows: 1, hiddenRows: length)], caches: &caches)
            tokens = prompt.dropFirst() + [Int32(Sampler.largest(of: output.logits.row(0)))]
            hidden = output.hidden
        }
    }

    /// The logits of each draft of a chain, as the drafter has them.
    static func drafted(_ model: LanguageModel, _ start: Start) throws -> [[Float]] {
        let drafter = try #require(EagleDrafter(model, keepsLogits: true))
        var states = [drafter.makeState(prompt: start.prompt)]
        states[0].commit(start.tokens, hidden: start.hidden, generated: 1)
        let logits = try #require(drafter.draft([.chain(steps)], &states)[0].logits)
        return (0..<steps).map { Array(logits.row($0)) }
    }

    /// The same by hand, and what each row attended to.
    static func passes(
        _ model: LanguageModel, _ start: Start, sharesKeys: Bool
    ) -> (logits: [[Float]], keys: [KeySelection.Row]) {
        var caches = [model.makeDraftCache()]
        var step = EagleStep(tokens: start.tokens, hidden: start.hidden, logitRows: 1)
        var (logits, keys): ([[Float]], [KeySelection.Row]) = ([], [])
        for place in 0..<steps {
            let output = model.draft([step], caches: &caches) { event in
                if case .selection(_, let selection) = event { keys.append(selection[0]) }
            }
            logits.append(Array(output.logits.row(0)))
            step = EagleStep(
                tokens: [Int32(Sampler.largest(of: output.logits.row(0)))], hidden: output.hidden,
                logitRows: 1,
                keys: sharesKeys ? [extended(keys[0], from: start.tokens.count, by: place + 1)] : []
            )
        }
        return (logits, keys)
    }

    /// A selection, and the `count` rows from `first` on.
    static func extended(_ keys: KeySelection.Row, from first: Int, by count: Int) -> KeySelection.Row {
        switch keys {
        case .all(let visible): .all(visible + count)
        case .positions(let positions): .positions(positions + (0..<count).map { Int32(first + $0) })
        }
    }

    /// `index_topk` is 16.
    @Test(arguments: [40, 70, 90, 120]) func laterDraftsUseTheFirstRowsKeys(length: Int) throws {
        let own = try SpeculationModel(.nano)
        let shared = try SpeculationModel(.nano, sharesIndex: true)
        let start = Start(own.model, length: length)
        let (byRow, byFirst) = (
            Self.passes(own.model, start, sharesKeys: false), Self.passes(own.model, start, sharesKeys: true)
        )
        #expect(try Self.drafted(own.model, start) == byRow.logits)
        #expect(try Self.drafted(shared.model, start) == byFirst.logits)
        // Control: the flag makes a difference, to the keys and to every bit that follows, but not to the first draft.
        #expect(byRow.logits[0] == byFirst.logits[0] && byRow.keys[0] == byFirst.keys[0])
        for place in 1..<Self.steps {
            #expect(byRow.keys[place] != byFirst.keys[place], "draft \(place + 1)")
            #expect(byRow.logits[place] != byFirst.logits[place], "draft \(place + 1)")
        }
    }

    /// Where all keys are attended to, to share them changes no bit.
    @Test(arguments: [1, 5, 12]) func shortPromptsShareEverything(length: Int) throws {
        let shared = try SpeculationModel(.nano, sharesIndex: true)
        let start = Start(shared.model, length: length)
        #expect(
            try Self.drafted(shared.model, start)
                == Self.passes(shared.model, start, sharesKeys: false).logits)
    }
}
