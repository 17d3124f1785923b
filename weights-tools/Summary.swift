import GLMSynthesis

/// What was written, in one line on standard output.
struct Summary {
    private let line: String

    init(_ model: SyntheticModel, _ plan: ShardPlan) {
        let layout = model.layout
        line =
            "\(layout.tensors.count) tensors, \(layout.parameterCount) parameters (\(layout.activeParameterCount) active), "
            + "\(ByteCount(plan.byteCount)) in \(plan.shards.count) \(plan.shards.count == 1 ? "file" : "files")"
            + (model.tokens == nil
                ? "; no tokenizer: the vocabulary cannot hold 256 bytes and the added tokens" : "")
    }

    func write(to path: String) {
        print("\(path): \(line)")
    }
}
