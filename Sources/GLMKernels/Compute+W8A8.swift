extension Compute {
    /// All groups; those whose weights have scales with quantised inputs, the others as they are.
    ///
    /// A row of activations is quantised once for groups that stand side by side and share it.
    func quantizedProduct(_ groups: [ProductGroup]) {
        let scaled = groups.filter { $0.weight.scales != nil && $0.tokens > 0 && $0.weight.columns > 0 }
        if scaled.count < groups.count {
            float32Product(groups.filter { $0.weight.scales == nil || $0.weight.columns == 0 })
        }
        if !scaled.isEmpty { scaledProduct(scaled) }
    }

    private func scaledProduct(_ groups: [ProductGroup]) {
        let plan = InputPlan(groups, tileWidth: scaledTileWidth) {
            QuantizedTokens.floats(tokens: $0.tokens, columns: $0.weight.columns, block: $0.block)
        }
        if plan.floats > PackPlan.limit, let (first, second) = PackPlan.halves(groups) {
            scaledProduct(first)
            scaledProduct(second)
            return
        }
        withPackBuffer(floats: plan.floats) { memory in
            let tokens = groups.enumerated().map { index, group in
                QuantizedTokens(
                    at: memory.base + plan.offsets[index], tokens: group.tokens,
                    columns: group.weight.columns, block: group.block)
            }
            pool.parallel(plan.units.count) { index in
                let (group, tile) = plan.units[index]
                kernels.quantize(
                    groups[group].x, stride: groups[group].xStride, tile: tokens[group].tile(tile),
                    into: tokens[group])
            }
            cut(groups, extent: { $0.rows }, unit: 4) { index, rows, _, _ in
                kernels.scaledProduct(
                    groups[index].weight, rows: rows, tokens[index], y: groups[index].y,
                    yStride: groups[index].yStride)
            }
        }
    }
}

extension ProductGroup {
    /// Columns that share a multiplier.
    fileprivate var block: Int {
        guard let scales = weight.scales, scales.quantizesActivations else {
            preconditionFailure("activations in groups that are not whole blocks of 16 columns")
        }
        return scales.blockColumns
    }
}
