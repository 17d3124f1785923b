package import GLMFiles

extension GLMConfiguration {
    /// Checks every rule between fields at once; single fields were checked when they were read.
    /// - Throws: `InputError` that lists all broken rules by key.
    package func validate(file: String?) throws(InputError) {
        var broken: [String] = []
        func rule(_ holds: Bool, _ text: @autoclosure () -> String) { if !holds { broken.append(text()) } }

        rule(ropeDimension.isMultiple(of: 2), "qk_rope_head_dim \(ropeDimension) must be even")
        rule(
            ropeDimension <= indexHeadDimension,
            "qk_rope_head_dim \(ropeDimension) must not exceed index_head_dim \(indexHeadDimension)")
        rule(
            expertsPerToken <= routedExpertCount,
            "num_experts_per_tok \(expertsPerToken) exceeds n_routed_experts \(routedExpertCount)")
        rule(
            routedExpertCount.isMultiple(of: expertGroupCount),
            "n_group \(expertGroupCount) does not divide n_routed_experts \(routedExpertCount)")
        rule(
            groupsPerToken <= expertGroupCount,
            "topk_group \(groupsPerToken) exceeds n_group \(expertGroupCount)")
        let inGroups = groupsPerToken * (routedExpertCount / max(expertGroupCount, 1))
        rule(
            expertsPerToken <= inGroups,
            "num_experts_per_tok \(expertsPerToken) exceeds the \(inGroups) experts of topk_group groups")
        rule(
            expertGroupCount == 1 || routedExpertCount / max(expertGroupCount, 1) >= 2,
            "n_group \(expertGroupCount) leaves groups of fewer than two experts")
        rule(indexers.first == .full, "indexer_types[0] is shared: the first layer has no selection to reuse")
        rule(
            endOfSequenceTokens.allSatisfy { Int($0) < vocabularySize },
            "eos_token_id \(endOfSequenceTokens) is outside the vocabulary of \(vocabularySize)")
        sizeRules(rule)
        guard broken.isEmpty else {
            throw InputError(
                .badInput, file: file, found: broken.joined(separator: "; "),
                remedy: "correct the configuration")
        }
    }

    /// Sizes that are possible one by one, but not together.
    private func sizeRules(_ rule: (Bool, @autoclosure () -> String) -> Void) {
        rule(
            approximateTensorCount <= GLMConfiguration.mostTensors,
            "num_hidden_layers \(layerCount) with n_routed_experts \(routedExpertCount) makes more than a million tensors"
        )
        rule(
            approximateParameterCount <= GLMConfiguration.mostElements,
            "the sizes together make about \(Float(approximateParameterCount)) parameters, more than 1e15")
        rule(
            approximateCacheBytes <= GLMConfiguration.mostElements,
            "a cache of max_position_embeddings \(maximumPositions) would take about \(Float(approximateCacheBytes)) "
                + "bytes, more than 1e15")
    }
}
