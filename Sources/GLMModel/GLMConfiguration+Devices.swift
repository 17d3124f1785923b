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

    /// What a device exchanges in a forward pass where groups of devices serve sequences of their own.
    ///
    /// Behind the embedding and every feed-forward part sums are scattered; before every feed-forward part and the head
    /// rows are gathered. Devices of one group also add their parts of an attention.
    /// - Parameters:
    ///   - rows: tokens of all sequences; of the MTP layer, those that go through it.
    ///   - ownRows: tokens of the sequences that the device's group serves.
    ///   - hiddenRows: rows whose hidden state is read.
    package func traffic(
        rows: Int, ownRows: Int, hiddenRows: Int, logitRows: Int, layout: ParallelLayout
    ) -> (calls: Int, bytes: Int) {
        let sums = layout.attentionTensor > 1 && ownRows > 0 ? layerCount : 0
        let elements =
            rows * hiddenSize * (2 * layerCount + 1) + ownRows * hiddenSize * sums + hiddenRows * hiddenSize
            + logitRows * vocabularySize
        return (2 * layerCount + 3 + sums, 4 * elements)
    }

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
