package import GLMDecoding
package import GLMModel

extension LanguageModel: ModelRunner {
    package var vocabularySize: Int { configuration.vocabularySize }

    package func forward(_ steps: [SequenceStep], caches: inout [SequenceCache]) -> ForwardOutput {
        forward(steps, caches: &caches, trace: nil)
    }

    package func length(of cache: SequenceCache) -> Int { cache.length }

    package func keep(
        _ path: [Int], of tree: DraftTree, behind length: Int, in cache: inout SequenceCache
    ) {
        cache.keep(path, of: tree, behind: length)
    }
}
