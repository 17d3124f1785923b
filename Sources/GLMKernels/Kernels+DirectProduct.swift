import CVector

/// Bytes that prefetching runs ahead, at least, where four neighbouring rows are read side by side.
private let neighbourDistance = 16384
/// Rows of more bytes than this are streams of their own.
private let shortRow = 8192

extension WeightView {
    /// Whether rows are whole lines of 64 bytes.
    var hasWholeLines: Bool { columns > 0 && columns % (64 / format.size) == 0 }
    /// Whether rows are whole groups of columns as tokens are packed: 16, in code order 64.
    fileprivate var hasWholeGroups: Bool { columns > 0 && columns % (format == .float8E4M3 ? 64 : 16) == 0 }
}

extension Kernels {
    /// Whether a block of `tokens` meets the weights as they are stored. With AVX-512 FP8 is decoded once for each tile of
    /// tokens then, so from the second tile on a panel may cost less; BF16 from the third on, where decoding takes the
    /// multipliers' time.
    package func multipliesDirectly(_ w: WeightView, tokens: Int) -> Bool {
        guard tokens > 1, w.hasWholeGroups else { return false }
        // A panel pays sooner elsewhere: every tile of fewer tokens meets a row twice, by half its lanes.
        if vectors != .avx512 { return tokens <= (w.format == .float8E4M3 ? 1 : 2) * tileWidth }
        return switch w.format {
        case .float32: true
        case .bfloat16: tokens <= 2 * tileWidth || !decodesInMultipliers
        case .float8E4M3: tokens <= 8
        }
    }

    /// A block of tokens, tile by tile over four rows at a time. FP8 rows share their scales, which the tokens
    /// have.
    ///
    /// When one tile takes all tokens, memory binds: short rows are taken a quarter of all apart, since four
    /// streams keep more requests under way than one.
    func directProduct(
        _ w: WeightView, rows: Range<Int>, _ packed: PackedTokens, _ block: Range<Int>,
        y: UnsafeMutablePointer<Float>, yStride: Int, factor: Float = 1, next: UnsafeRawPointer? = nil
    ) {
        let rowBytes = w.rowStride * w.format.size
        let streams = block.count <= tileWidth && rowBytes <= shortRow
        // Columns of a wider matrix: what follows a row belongs to somebody else, so whole rows are skipped, one at least.
        let way = fetchWayOfSeveral(w.format)
        let rowsAhead = max(1, way.distance / (w.columns * w.format.size))
        let stream = w.rowStride == w.columns ? way.distance : rowsAhead * rowBytes
        let neighbours = (neighbourDistance / (4 * rowBytes) + 1) * 4 * rowBytes
        let step = streams ? (rows.count + 3) / 4 : 1
        var job = direct_tile(
            weights: w.base + rows.lowerBound * rowBytes, row_bytes: rowBytes, rows: rows.count,
            columns: w.columns, first: 0, count: step, step: step, x: packed.base, y: y,
            y_stride: yStride, ahead: streams ? stream : neighbours, border: .max, jump: 0, streams: 0,
            cache: cache(way), factor: factor)
        if streams && stream >= rowBytes {
            // Instead of what lies behind a stream's last rows, the rows after these, or those read next, are asked for. Less than a
            // row ahead it is at most that row's share of the distance, once a call, which is left as it is.
            let end = job.weights + rows.count * rowBytes
            job.border = step - stream / rowBytes
            job.jump = (rows.count - step) * rowBytes + (next.map { $0 - end } ?? 0)
        }
        for first in stride(from: 0, to: streams ? 1 : job.rows, by: 4) {
            job.first = first
            runTiles(&job, w.format, packed, block, y: y + rows.lowerBound)
        }
    }

    /// All tiles of a block. Of several, the first two share what is to be asked for.
    private func runTiles(
        _ job: inout direct_tile, _ format: WeightView.Format, _ packed: PackedTokens, _ block: Range<Int>,
        y: UnsafeMutablePointer<Float>
    ) {
        let tiles = (block.count + tileWidth - 1) / tileWidth
        var token = 0
        for tile in 0..<tiles {
            let count = tileTokens(block.count, tiles, tile)
            job.x = UnsafePointer(packed.address(token: block.lowerBound + token))
            job.y = y + token * job.y_stride
            job.streams = tiles == 1 ? 0 : Int32(min(tile + 1, 3))
            runDirect(format, &job, tokens: count)
            token += count
        }
    }
}
