package import GLMModel
package import GLMTensor

extension LanguageModel: ModelRunner {
    package var vocabularySize: Int { configuration.vocabularySize }

    package func forward(_ steps: [SequenceStep], caches: inout [SequenceCache]) -> Tensor {
        forward(steps, caches: &caches, trace: nil).logits
    }
}
