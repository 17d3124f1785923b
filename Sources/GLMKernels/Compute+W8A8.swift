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
        preparedProduct(
            groups, unit: 4, tileWidth: scaledTileWidth,
            floats: {
                QuantizedTokens.floats(tokens: $0.tokens, columns: $0.weight.columns, block: $0.block)
            },
            inputs: {
                QuantizedTokens(at: $0, tokens: $1.tokens, columns: $1.weight.columns, block: $1.block)
            },
            make: { group, tokens, tile in
                kernels.quantize(group.x, stride: group.xStride, tile: tokens.tile(tile), into: tokens)
            },
            multiply: { group, tokens, rows, _, _ in
                kernels.scaledProduct(group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride)
            })
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
