import GLMInference

// A checkpoint answers; what its passes free is kept for the next.
FreedMemory.keep()
let model = try await GLM.load(directory: CommandLine.arguments[1])
var greedy = SamplingParameters()
greedy.temperature = 0
let options = GenerationOptions(sampling: greedy, maximumTokens: 8)
for await event in try await model.generate(prompt: "Once upon a time", options: options) {
    switch event {
    case .piece(let piece): print(piece.text, terminator: "")
    case .finished(let summary): print("\n\(summary.completionTokens) tokens: \(summary.finishReason.word)")
    }
}

// A building block alone: which two of four experts get a token.
let gate = Tensor(shape: [4, 2], values: [1, 0, 0, 1, -1, 0, 0, -1])
let router = Router(
    gate: gate, correctionBias: [0, 0, 0, 0], groups: 1, groupsPerToken: 1, expertsPerToken: 2,
    normalizes: true,
    scaling: 1, compute: Compute(kernels: .table(.selected), pool: ThreadPool()))
print("experts:", router(Tensor(shape: [1, 2], values: [2, 1])).routing.experts)
