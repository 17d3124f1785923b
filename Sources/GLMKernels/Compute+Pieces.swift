/// How the matrices of a region are cut into pieces.
struct PieceSize {
    /// Whole units of rows (or columns) only.
    let unit: Int
    /// Multiplications that a piece should have: a quarter of a thread's share of the region's.
    let share: Int

    /// Rows (or columns) of one piece of `weight`, of which there are `extent`.
    ///
    /// A piece of fewer than 64 KB costs more to hand out than a late thread does. With more tokens than one,
    /// 64 rows pay for their packing, and for FP8 128 for the scales that enter them.
    func callAsFunction(_ weight: WeightView, tokens: Int, extent: Int) -> Int {
        if extent == 0 { return unit }
        let inner = weight.rows * weight.columns / extent
        let bytes = max(1, inner * weight.format.size)
        let fair = share / max(1, inner * tokens)
        let least = tokens == 1 ? 65536 / bytes : 16
        // Matrix registers (units of 32) wait for the first rows of a piece, and ask for the others in time.
        let several = unit == 32 ? 393_216 : 65_536
        let usual = unit == 4 && weight.format == .float8E4M3 ? 128 : 64
        let most = tokens == 1 ? largest(weight.format, rowBytes: bytes) : max(usual, several / bytes)
        let rows = max(unit, min(max(fair, least), most) / unit * unit)
        // The scales of FP8 blocks enter the tokens once for each stretch of rows that shares them.
        guard unit == 4, let block = weight.scales?.blockRows, block % 16 == 0, rows >= block / 4 else {
            return rows
        }
        return rows >= block ? rows / block * block : rows >= block / 2 ? block / 2 : block / 4
    }

    /// Rows of the largest piece for one token. FP8 rows begin anew where scales change, so small pieces
    /// cost nothing more there, and the last one makes nobody late; but each puts the scales into the token, which takes as
    /// long as reading some rows, however wide they are: 128 pay for it. Other streams last as long as their piece.
    private func largest(_ format: WeightView.Format, rowBytes: Int) -> Int {
        format == .float8E4M3 ? max(128, 131_072 / rowBytes) : 524_288 / rowBytes
    }
}

extension Compute {
    /// Cuts every group into pieces of whole units and hands them out.
    ///
    /// - Parameters:
    ///   - unit: of a group.
    ///   - body: receives the group, the piece of it, memory, and the group of the next piece if that is
    ///   another.
    func cut(
        _ groups: [ProductGroup], extent: (WeightView) -> Int, unit: (Int) -> Int,
        _ body: (Int, Range<Int>, Scratch, _ next: Int?) -> Void
    ) {
        var pieces: [(group: Int, range: Range<Int>)] = []
        pieces.reserveCapacity(64)
        let work = groups.reduce(0) { $0 + $1.weight.rows * $1.weight.columns * $1.tokens }
        let share = work / (pool.threads * 4)
        for (index, group) in groups.enumerated() where group.tokens > 0 {
            let count = extent(group.weight)
            let size = PieceSize(unit: unit(index), share: share)
            let step = size(group.weight, tokens: group.tokens, extent: count)
            var start = 0
            while start < count {
                pieces.append((index, start..<min(start + step, count)))
                start += step
            }
        }
        pieces.withUnsafeBufferPointer { pieces in
            pool.parallel(pieces.count) { index, scratch in
                let piece = pieces[index]
                let next =
                    index + 1 < pieces.count && pieces[index + 1].group != piece.group
                    ? pieces[index + 1].group : nil
                body(piece.group, piece.range, scratch, next)
            }
        }
    }
}
