extension Compute {
    /// All groups with inputs and outputs in BF16. Float32 weights are multiplied as they are.
    func bfloat16Product(_ groups: [ProductGroup]) {
        let paired = groups.filter { $0.isPaired && $0.tokens > 0 }
        if paired.count < groups.count {
            let others = groups.filter { !$0.isPaired }
            float32Product(others)
            cut(others, extent: { $0.rows }, unit: 4) { index, rows, _, _ in
                roundOutputs(others[index], rows: rows)
            }
        }
        if paired.isEmpty { return }
        if kernels.multipliesMatrices { matrixProduct(paired) } else { pairProduct(paired) }
    }

    private func pairProduct(_ groups: [ProductGroup]) {
        let plan = InputPlan(groups, tileWidth: BFloat16Tokens.tileWidth) {
            BFloat16Tokens.floats(tokens: $0.tokens, columns: $0.weight.columns)
        }
        if plan.floats > PackPlan.limit, let (first, second) = PackPlan.halves(groups) {
            pairProduct(first)
            pairProduct(second)
            return
        }
        withPackBuffer(floats: plan.floats) { memory in
            let tokens = groups.enumerated().map { index, group in
                BFloat16Tokens(
                    base: UnsafeMutableRawPointer(memory.base + plan.offsets[index]), tokens: group.tokens,
                    columns: group.weight.columns)
            }
            pool.parallel(plan.units.count) { index in
                let (group, tile) = plan.units[index]
                kernels.pack(
                    groups[group].x, stride: groups[group].xStride, tile: tokens[group].tile(tile),
                    into: tokens[group])
            }
            cut(groups, extent: { $0.rows }, unit: 4) { index, rows, _, _ in
                kernels.pairProduct(
                    groups[index].weight, rows: rows, tokens[index], y: groups[index].y,
                    yStride: groups[index].yStride)
            }
        }
    }

    private func matrixProduct(_ groups: [ProductGroup]) {
        let plan = InputPlan(groups, tileWidth: MatrixTokens.tileWidth) {
            MatrixTokens.floats(tokens: $0.tokens, columns: $0.weight.columns)
        }
        if plan.floats > PackPlan.limit, let (first, second) = PackPlan.halves(groups) {
            matrixProduct(first)
            matrixProduct(second)
            return
        }
        withPackBuffer(floats: plan.floats) { memory in
            let tokens = groups.enumerated().map { index, group in
                MatrixTokens(
                    base: UnsafeMutableRawPointer(memory.base + plan.offsets[index]), tokens: group.tokens,
                    columns: group.weight.columns)
            }
            pool.parallel(plan.units.count) { index in
                let (group, tile) = plan.units[index]
                kernels.pack(
                    groups[group].x, stride: groups[group].xStride, tile: tokens[group].tile(tile),
                    into: tokens[group])
            }
            cut(groups, extent: { $0.rows }, unit: 32) { index, rows, scratch, _ in
                kernels.matrixProduct(
                    groups[index].weight, rows: rows, tokens[index], y: groups[index].y,
                    yStride: groups[index].yStride, scratch: scratch)
            }
        }
    }

    private func roundOutputs(_ group: ProductGroup, rows: Range<Int>) {
        for token in 0..<group.tokens {
            kernels.roundToBFloat16(
                group.y + token * group.yStride + rows.lowerBound, count: rows.count)
        }
    }
}

extension ProductGroup {
    /// Whether both factors are BF16.
    fileprivate var isPaired: Bool { weight.format != .float32 && weight.columns > 0 }
}
