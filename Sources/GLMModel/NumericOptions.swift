/// Choices that change numbers and are not in the checkpoint. None has a default here; the caller states
/// each.
package struct NumericOptions: Sendable, Equatable {
    /// ε of `q_a_layernorm` and `kv_a_layernorm`: 1e-6 in transformers, `rms_norm_eps` in SGLang.
    package var latentNormEpsilon: Float

    /// Who selects the keys of a row that sees more than it may attend to.
    package var keySelection: KeySelection.Policy

    package init(latentNormEpsilon: Float, keySelection: KeySelection.Policy) {
        self.latentNormEpsilon = latentNormEpsilon
        self.keySelection = keySelection
    }
}
