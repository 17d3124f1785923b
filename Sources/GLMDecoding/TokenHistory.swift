/// What the penalties need to know of a sequence: which tokens its prompt holds, and how often each was
/// generated.
package struct TokenHistory: Sendable, Equatable {
    /// Tokens of prompt and answer, each once.
    private(set) var seen: Set<Int32>
    /// How often each generated token occurred.
    private(set) var generated: [Int32: Int] = [:]
    /// Generated tokens in all.
    package private(set) var generatedCount = 0

    /// A sequence of which only the prompt is known. An empty prompt is legal.
    package init(prompt: some Sequence<Int32>) {
        seen = Set(prompt)
    }

    /// Records a generated token.
    package mutating func append(_ token: Int32) {
        seen.insert(token)
        generated[token, default: 0] += 1
        generatedCount += 1
    }
}
