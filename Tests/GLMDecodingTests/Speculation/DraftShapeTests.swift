import GLMDecoding
import GLMFiles
import Testing

@Suite struct DraftShapeTests {
    @Test func aShapeFitsTheRoomThatIsLeft() {
        let chain = DraftShape.chain(4)
        #expect(chain.limited(depth: 9, rows: 100) == chain)
        #expect(chain.limited(depth: 2, rows: 100) == .chain(2))
        #expect(chain.limited(depth: 9, rows: 3) == .chain(2))
        #expect(chain.limited(depth: 0, rows: 100) == .chain(0))
        #expect(chain.limited(depth: -1, rows: 0) == .chain(0))
        let tree = DraftShape(steps: 3, topK: 2, rows: 7)
        #expect(tree.limited(depth: 2, rows: 100) == DraftShape(steps: 2, topK: 2, rows: 7))
        #expect(tree.limited(depth: 3, rows: 5) == DraftShape(steps: 3, topK: 2, rows: 5))
        #expect(tree.limited(depth: 0, rows: 5) == .chain(0))
    }

    @Test func parametersSayTheShape() throws {
        #expect(SpeculationParameters().shape == .chain(3))
        #expect(
            SpeculationParameters(steps: .fixed(3), topK: 4).shape == DraftShape(steps: 3, topK: 4, rows: 13))
        #expect(SpeculationParameters(steps: .automatic(maximum: 5)).shape == .chain(5))
        #expect(SpeculationParameters(steps: .automatic(maximum: 5), draftTokens: 3).shape == .chain(2))
        try SpeculationParameters(steps: .fixed(3), draftTokens: 4).validate()
        try SpeculationParameters(steps: .fixed(2), topK: 2, draftTokens: 7).validate()
        try SpeculationParameters(steps: .fixed(63), topK: 16).validate()
        try SpeculationParameters(steps: .automatic(maximum: 5), draftTokens: 6).validate()
    }

    @Test(arguments: [
        (SpeculationParameters(steps: .fixed(0)), "num-steps"),
        (SpeculationParameters(steps: .fixed(65)), "num-steps"),
        (SpeculationParameters(steps: .automatic(maximum: 0)), "num-steps"),
        (SpeculationParameters(topK: 0), "eagle-topk"),
        (SpeculationParameters(steps: .automatic(maximum: 5), topK: 2), "eagle-topk"),
        (SpeculationParameters(steps: .fixed(64), topK: 16), "eagle-topk"),
        (SpeculationParameters(steps: .automatic(maximum: 5), draftTokens: 7), "num-draft-tokens"),
        (SpeculationParameters(draftTokens: 5), "num-draft-tokens"),
        (SpeculationParameters(steps: .fixed(2), topK: 2, draftTokens: 8), "num-draft-tokens"),
        (SpeculationParameters(steps: .fixed(2), topK: 2, draftTokens: 1), "num-draft-tokens"),
        (SpeculationParameters(singleThreshold: 1.5), "accept-threshold-single"),
        (SpeculationParameters(accumulatedThreshold: -0.1), "accept-threshold-acc"),
        (SpeculationParameters(accumulatedThreshold: .nan), "accept-threshold-acc"),
    ]) func whatDoesNotFitIsRefusedByName(parameters: SpeculationParameters, name: String) {
        let error = #expect(throws: InputError.self) { try parameters.validate() }
        #expect(error?.kind == .usage)
        #expect(error?.description.contains("--speculative-\(name)") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func thresholdsOfOneAreExact() {
        #expect(SpeculationParameters().rule == .exact)
        #expect(
            SpeculationParameters(accumulatedThreshold: 0.5).rule
                == .thresholds(single: 1, accumulated: 0.5))
    }
}
