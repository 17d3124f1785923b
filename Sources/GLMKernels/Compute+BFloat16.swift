extension Compute {
    /// All groups with inputs and outputs in BF16. Float32 weights are multiplied as they are.
    func bfloat16Product(_ groups: [ProductGroup]) {
        let paired = groups.filter { $0.isPaired && $0.tokens > 0 }
        if paired.count < groups.count {
            let others = groups.filter { !$0.isPaired }
            float32Product(others)
            cut(others, extent: { $0.rows }, unit: { _ in 4 }) { index, rows, _, _ in
                roundOutputs(others[index], rows: rows)
            }
        }
        if paired.isEmpty { return }
        if kernels.multipliesMatrices { return matrixProduct(paired) }
        let pairs = paired.filter { $0.weight.isAddedInPairs(at: kernels.level) }
        if pairs.count < paired.count {
            roundedProduct(paired.filter { !$0.weight.isAddedInPairs(at: kernels.level) })
        }
        if !pairs.isEmpty { pairProduct(pairs) }
    }

    /// BF16 weights at the levels that add no pairs: as in `float32`, by activations rounded to BF16.
    private func roundedProduct(_ groups: [ProductGroup]) {
        preparedProduct(
            groups, unit: 4, tileWidth: PackedTokens.blockTokens,
            floats: { PackedTokens.floats(tokens: $0.tokens, for: $0.weight) },
            inputs: { PackedTokens(base: $0, tokens: $1.tokens, for: $1.weight) },
            make: { group, tokens, index in
                let block = tokens.block(index)
                kernels.pack(group.x, stride: group.xStride, block: block, into: tokens)
                kernels.roundToBFloat16(
                    tokens.address(token: block.lowerBound), count: block.count * tokens.groups * 16)
            },
            multiply: { group, tokens, rows, scratch, next in
                if tokens.tokens == 1 {
                    // Packed alone it lies as it did.
                    kernels.product(
                        group.weight, rows: rows, x: tokens.base, tokens: 1, xStride: 0, y: group.y,
                        yStride: group.yStride, scratch: scratch, next: next)
                } else {
                    kernels.product(
                        group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride,
                        scratch: scratch, next: next)
                }
                roundOutputs(group, rows: rows)
            })
    }

    private func pairProduct(_ groups: [ProductGroup]) {
        preparedProduct(
            groups, unit: 4, tileWidth: BFloat16Tokens.tileWidth,
            floats: { BFloat16Tokens.floats(tokens: $0.tokens, columns: $0.weight.columns) },
            inputs: { BFloat16Tokens(base: $0, tokens: $1.tokens, columns: $1.weight.columns) },
            make: { group, tokens, tile in
                kernels.pack(group.x, stride: group.xStride, tile: tokens.tile(tile), into: tokens)
            },
            multiply: { group, tokens, rows, _, _ in
                kernels.pairProduct(group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride)
            })
    }

    private func matrixProduct(_ groups: [ProductGroup]) {
        preparedProduct(
            groups, unit: 32, tileWidth: MatrixTokens.tileWidth,
            floats: { $0.codeShape(isExact: false).floats },
            inputs: { MatrixTokens(base: $0, shape: $1.codeShape(isExact: false)) },
            make: { group, tokens, tile in
                kernels.pack(group.x, stride: group.xStride, tile: tile, into: tokens)
            },
            multiply: { group, tokens, rows, scratch, next in
                kernels.matrixProduct(
                    group.weight, rows: rows, tokens, y: group.y, yStride: group.yStride, scratch: scratch,
                    next: next)
            })
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
