package import GLMFiles
package import GLMParallel

extension GLMConfiguration {
    /// Refuses a layout that this model's widths cannot be divided by.
    ///
    /// - Parameter isAllowed: what else a layout has to fulfil; this one does.
    /// - Throws: `usage` that names the widths and the values of an option that would do.
    package func check(
        _ layout: ParallelLayout, where isAllowed: (ParallelLayout) -> Bool = { _ in true }
    ) throws(InputError) {
        try layout.check(widths, where: isAllowed)
    }

    /// What a layout divides, and by what.
    private func widths(_ layout: ParallelLayout) -> [ParallelLayout.Width] {
        typealias Width = ParallelLayout.Width
        let (all, attention) = (layout.tensor, layout.attentionTensor)
        var widths = [
            Width("vocab_size", vocabularySize, parts: all, option: .tensor),
            Width("num_attention_heads", headCount, parts: attention, option: .tensor),
            Width("n_routed_experts", routedExpertCount, parts: layout.expert, option: .expert),
        ]
        if feedForwards.contains(.dense) {
            widths.append(Width("intermediate_size", denseIntermediateSize, parts: all, option: .tensor))
        }
        widths.append(
            Width(
                "moe_intermediate_size", expertIntermediateSize, parts: layout.expertTensor, option: .tensor))
        if sharedExpertCount > 1 || layout.expert > 1 {
            widths.append(
                Width(
                    "moe_intermediate_size × n_shared_experts", sharedIntermediateSize, parts: all,
                    option: .tensor))
        }
        return widths
    }
}
