import GLMModel
import GLMTensor
import Testing

/// While every key fits into the selection, sparse attention is plain causal attention.
@Suite struct DenseEquivalenceTests {
    @Test(arguments: [(GoldenCheckpoint.tiny, 8), (.sharedOdd, 7), (.fp8Edge, 8)])
    func selectionOfAllIsDense(checkpoint: GoldenCheckpoint, topK: Int) throws {
        let length = 30
        func logits(_ selected: Int) throws -> [UInt32] {
            let model = try checkpoint.load(
                replacing: "\"index_topk\": \(topK),", with: "\"index_topk\": \(selected),")
            let prompt = checkpoint.prompt(length, for: model)
            return BitwisePropertyTests.run(model, prompt, pieces: [length]).logits
        }
        let dense = try logits(4096)
        #expect(try logits(length) == dense)
        #expect(try logits(length + 1) == dense)
        // Negative control: one key fewer than the last row sees, and only then, something is dropped.
        #expect(try logits(length - 1) != dense)
    }
}
