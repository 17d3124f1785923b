package import GLMFiles
package import GLMParallel

extension GLMConfiguration {
    /// What the devices that share this model exchange in a forward pass of the trunk, or of the MTP layer.
    ///
    /// - Parameters:
    ///   - rows: tokens of all sequences.
    ///   - logitRows: rows whose logits are read.
    /// - Returns: collectives, and the bytes of their payload, four for each value.
    /// Source: specification §9.
    package func traffic(rows: Int, logitRows: Int, isDraft: Bool) -> (calls: Int, bytes: Int) {
        let layers = isDraft ? 1 : layerCount
        return (2 * layers + 2, 4 * (rows * hiddenSize * (2 * layers + 1) + logitRows * vocabularySize))
    }

    /// Refuses a layout that this model's widths cannot be divided by.
    /// - Throws: `usage` that names the widths and the divisors that would do.
    package func check(_ layout: ParallelLayout) throws(InputError) {
        // The sizes themselves first: they divide below.
        try layout.check([])
        typealias Width = ParallelLayout.Width
        let (all, attention) = (layout.tensor, layout.attentionTensor)
        var widths = [
            Width("vocab_size", vocabularySize, parts: all, option: "--tp-size"),
            Width("num_attention_heads", headCount, parts: attention, option: "--tp-size"),
            Width("n_routed_experts", routedExpertCount, parts: layout.expert, option: "--ep-size"),
        ]
        if feedForwards.contains(.dense) {
            widths.append(Width("intermediate_size", denseIntermediateSize, parts: all, option: "--tp-size"))
        }
        widths.append(
            Width(
                "moe_intermediate_size", expertIntermediateSize, parts: layout.expertTensor,
                option: "--tp-size"))
        if sharedExpertCount > 1 || layout.expert > 1 {
            widths.append(
                Width(
                    "moe_intermediate_size × n_shared_experts", sharedIntermediateSize, parts: all,
                    option: "--tp-size"))
        }
        try layout.check(widths)
    }
}
