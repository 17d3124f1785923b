/// Choices that change numbers and are not in the checkpoint. None has a default here; the caller states
/// each.
package struct NumericOptions: Sendable, Equatable {
    /// ε of `q_a_layernorm` and `kv_a_layernorm`: 1e-6 in transformers, `rms_norm_eps` in SGLang.
    package var latentNormEpsilon: Float

    package init(latentNormEpsilon: Float) { self.latentNormEpsilon = latentNormEpsilon }
}
