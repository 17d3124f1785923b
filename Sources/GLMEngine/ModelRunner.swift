package import GLMDecoding
package import GLMModel

/// What the engine needs of a model: one forward pass over tokens of several sequences, each with a cache of its own.
///
/// Conformers are the language model, and in tests a table of next tokens. `forward` may block for as long as it takes:
/// the engine calls it on a thread of its own.
package protocol ModelRunner: Sendable {
    /// What a sequence remembers. A value; dropping it frees its memory.
    associatedtype Cache: Sendable

    /// Width of a row of logits; token ids lie below it.
    var vocabularySize: Int { get }
    /// Tokens that prompt and answer together may have.
    var contextSize: Int { get }

    /// The cache of a sequence that has no token yet.
    func makeCache() -> Cache

    /// Appends `steps[i].tokens` to the sequence of `caches[i]`.
    ///
    /// What a sequence gets does not depend on its neighbours, nor on how its tokens were spread over calls.
    /// - Returns: the logits behind the last `logitRows` tokens of each step, in order: `[Σ logitRows,
    ///   vocabularySize]`; and the hidden states of the last `hiddenRows`, for those who draft.
    func forward(_ steps: [SequenceStep], caches: inout [Cache]) -> ForwardOutput

    /// Tokens that a cache holds.
    func length(of cache: Cache) -> Int

    /// Forgets the tokens of a verified draft that did not stand.
    ///
    /// - Parameters:
    ///   - path: the drafted tokens of `tree` that stand.
    ///   - length: tokens the cache held before the draft's root.
    func keep(_ path: [Int], of tree: DraftTree, behind length: Int, in cache: inout Cache)
}
