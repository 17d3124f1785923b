import CVector

/// Keys that are scored together: half a page.
private let blockKeys = KeyColumns.blockKeys

extension Kernels {
    /// Scores of the lightning indexer for one query row: output[j] = Σ_h headWeights[h] · max(0, scale · q_h
    /// · key_j) for j in `range`, h ascending; the dot runs along the key's elements, one accumulator for each
    /// head and key.
    ///
    /// - Parameters:
    ///   - query: `[heads, dim]`, dim being the keys' width.
    ///   - range: which of the keys; `output` is indexed by the same j.
    public func indexScores(
        query: UnsafePointer<Float>, headWeights: UnsafePointer<Float>, heads: Int, scale: Float,
        keys: KeyColumns, range: Range<Int>, output: UnsafeMutablePointer<Float>
    ) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= keys.count, "keys \(range) of \(keys.count)")
        if range.isEmpty { return }
        let dim = keys.row.latent
        let decodes = keys.row.format != .float32
        let floats = blockKeys + (decodes ? blockKeys * dim : 0)
        withTemporaryLines(bytes: floats * 4) { buffer in
            let scores = buffer.assumingMemoryBound(to: Float.self)
            let panel = scores + blockKeys
            var job = index_block(
                panel: panel, query: query, weights: headWeights, heads: heads, dim: dim, scale: scale,
                scores: scores, next: panel, stream_shift: streamShift)
            var start = range.lowerBound / blockKeys * blockKeys
            while start < range.upperBound {
                if decodes {
                    decodeColumns(keys, start, panel)
                } else {
                    job.panel = keys.floats(start)
                    job.next = start + blockKeys < keys.count ? keys.floats(start + blockKeys) : job.panel
                }
                run(&job)
                let low = max(start, range.lowerBound), high = min(start + blockKeys, range.upperBound)
                (output + low).update(from: scores + (low - start), count: high - low)
                start += blockKeys
            }
        }
    }

    /// From how many places in turn index keys are asked for, as a power of two: memory serves four streams side by side on
    /// Intel (5 to 11 % over one); on Zen 5, which like all Zen fetches past the second-level cache, one takes 11 % less time.
    private var streamShift: Int { fetchesOnce ? 0 : 2 }

    @inline(never)
    private func run(_ job: UnsafePointer<index_block>) {
        switch vectors {
        case .avx512: index_scores_avx512(job)
        case .avx2: index_scores_avx2(job)
        case .baseline: index_scores_baseline(job)
        }
    }

    /// The 32 keys from `start` on as floats.
    @inline(never)
    private func decodeColumns(_ keys: KeyColumns, _ start: Int, _ panel: UnsafeMutablePointer<Float>) {
        let row = keys.row
        let (page, slot) = (keys.pages[start / KeyColumns.pageKeys], start % KeyColumns.pageKeys)
        let codes = page + row.columnOffset(0, slot: slot), dim = row.latent
        let scales = page + row.columnScaleOffset(0, slot: slot)
        switch (vectors, row.format) {
        case (.avx512, .fp8): decode_columns_fp8_avx512(codes, dim, scales, CacheRow.block, panel)
        case (.avx2, .fp8): decode_columns_fp8_avx2(codes, dim, scales, CacheRow.block, panel)
        case (.baseline, .fp8): decode_columns_fp8_baseline(codes, dim, scales, CacheRow.block, panel)
        case (.avx512, _): decode_columns_bf16_avx512(codes, dim, nil, dim, panel)
        case (.avx2, _): decode_columns_bf16_avx2(codes, dim, nil, dim, panel)
        case (.baseline, _): decode_columns_bf16_baseline(codes, dim, nil, dim, panel)
        }
    }
}

extension KeyColumns {
    /// Where the 32 keys from `start` on lie in a page of floats.
    fileprivate func floats(_ start: Int) -> UnsafePointer<Float> {
        let (page, slot) = start.quotientAndRemainder(dividingBy: KeyColumns.pageKeys)
        return (pages[page] + row.columnOffset(0, slot: slot)).assumingMemoryBound(to: Float.self)
    }
}

/// Dots of one head with 32 keys.
private struct KeySums {
    var low = f32x16_all(0), high = f32x16_all(0)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func add(_ query: UnsafePointer<Float>, _ low: f32x16, _ high: f32x16) {
        let element = f32x16_all(query[0])
        self.low = f32x16_multiply_add(element, low, self.low)
        self.high = f32x16_multiply_add(element, high, self.high)
    }

    /// scores + weight · max(0, scale · dot)
    @inline(__always)
    func combine(_ weight: Float, _ scale: Float, _ scores: inout KeySums) {
        let factor = f32x16_all(scale), zero = f32x16_all(0), w = f32x16_all(weight)
        scores.low = f32x16_multiply_add(
            w, f32x16_larger(f32x16_multiply(low, factor), zero), scores.low)
        scores.high = f32x16_multiply_add(
            w, f32x16_larger(f32x16_multiply(high, factor), zero), scores.high)
    }
}

/// Which line of a block of `dim` elements by 32 keys, two for each element, is asked for as the `line`-th: the next one with
/// `shift` 0, one of each quarter in turn with 2.
@inline(__always)
package func indexLine(_ line: Int, dim: Int, shift: Int) -> Int {
    let quarter = (dim &+ 1) &>> 1
    let place = line & (1 &<< shift &- 1)
    return place &* quarter &- (place == 3 ? dim & 1 : 0) &+ line &>> shift
}

/// Lines of the next block that are asked for with each element, while the heads from `first` on are scored.
@inline(__always)
package func indexLinesAsked(first: Int, heads: Int) -> Int {
    if heads >= 16 { return first <= 8 ? 1 : 0 }
    return first == 0 ? 2 : 0
}

/// The same while the heads of tile number `tile` are scored.
@inline(__always)
package func indexLinesAsked(tile: Int, of tiles: Int) -> Int { tiles == 1 ? 2 : tile < 2 ? 1 : 0 }

@inline(__always)
private func ask(_ job: index_block, _ line: Int) {
    prefetch_near(job.next + indexLine(line, dim: job.dim, shift: job.stream_shift) &* 16)
}

/// `heads` heads, a literal from 1 to 8, by 32 keys: 16 accumulators of 32 registers. The first two groups of
/// eight heads ask for half of the next keys each, so that memory is not asked for everything at once:
/// into the nearest cache, which holds both blocks (Intel and Zen 5: 4 % over the second).
@inline(__always)
private func wideHeads(_ job: index_block, _ first: Int, _ heads: Int, _ scores: inout KeySums) {
    var s0 = KeySums(), s1 = KeySums(), s2 = KeySums(), s3 = KeySums()
    var s4 = KeySums(), s5 = KeySums(), s6 = KeySums(), s7 = KeySums()
    var panel = job.panel
    let asked = indexLinesAsked(first: first, heads: job.heads)
    var line = first &* job.dim / 8
    var query = job.query + first &* job.dim
    let end = query + job.dim, stride = job.dim
    while query < end {
        if asked > 0 { ask(job, line) }
        if asked > 1 { ask(job, line &+ 1) }
        line &+= asked
        let low = f32x16_load(panel), high = f32x16_load(panel + 16)
        s0.add(query, low, high)
        if heads > 1 { s1.add(query + stride, low, high) }
        if heads > 2 { s2.add(query + 2 &* stride, low, high) }
        if heads > 3 { s3.add(query + 3 &* stride, low, high) }
        if heads > 4 { s4.add(query + 4 &* stride, low, high) }
        if heads > 5 { s5.add(query + 5 &* stride, low, high) }
        if heads > 6 { s6.add(query + 6 &* stride, low, high) }
        if heads > 7 { s7.add(query + 7 &* stride, low, high) }
        panel += blockKeys
        query += 1
    }
    let w = job.weights + first
    s0.combine(w[0], job.scale, &scores)
    if heads > 1 { s1.combine(w[1], job.scale, &scores) }
    if heads > 2 { s2.combine(w[2], job.scale, &scores) }
    if heads > 3 { s3.combine(w[3], job.scale, &scores) }
    if heads > 4 { s4.combine(w[4], job.scale, &scores) }
    if heads > 5 { s5.combine(w[5], job.scale, &scores) }
    if heads > 6 { s6.combine(w[6], job.scale, &scores) }
    if heads > 7 { s7.combine(w[7], job.scale, &scores) }
}

@c @implementation
func index_scores_wide(_ job: UnsafePointer<index_block>) {
    let job = job.pointee
    var scores = KeySums()
    var head = 0
    while head < job.heads {
        let left = job.heads &- head
        if left >= 8 {
            wideHeads(job, head, 8, &scores)
            head &+= 8
        } else if left >= 4 {
            wideHeads(job, head, 4, &scores)
            head &+= 4
        } else {
            wideHeads(job, head, 1, &scores)
            head &+= 1
        }
    }
    f32x16_store(job.scores, scores.low)
    f32x16_store(job.scores + 16, scores.high)
}

/// Up to 3 heads, a literal, by 32 keys. The first two tiles ask for half of the next keys each, as eight heads do above.
@inline(__always)
private func narrowHeads(_ job: index_block, _ first: Int, _ heads: Int, _ asked: Int, _ start: Int) {
    var dots = HalfTile()
    var panel = job.panel
    var line = start
    var query = job.query + first &* job.dim
    let end = query + job.dim
    while query < end {
        if asked > 0 { ask(job, line) }
        if asked > 1 { ask(job, line &+ 1) }
        line &+= asked
        dots.add(halves(panel, step: 8), all: query, job.dim, heads)
        panel += blockKeys
        query += 1
    }
    // scores + weight · max(0, scale · dot), head by head.
    dots.addPositive(job.weights + first, job.scale, heads, to: job.scores)
}

@c @implementation
func index_scores_baseline(_ job: UnsafePointer<index_block>) {
    let job = job.pointee
    let tiles = (job.heads &+ narrowTileWidth &- 1) / narrowTileWidth
    var key = 0
    while key < blockKeys {
        f32x16_store(job.scores + key, f32x16_all(0))
        key &+= 16
    }
    var first = 0
    var tile = 0
    while tile < tiles {
        let heads = tileTokens(job.heads, tiles, tile)
        let asked = indexLinesAsked(tile: tile, of: tiles)
        switch (heads, asked) {
        case (3, 0): narrowHeads(job, first, 3, 0, 0)
        case (3, 1): narrowHeads(job, first, 3, 1, tile &* job.dim)
        case (3, _): narrowHeads(job, first, 3, 2, 0)
        case (2, 0): narrowHeads(job, first, 2, 0, 0)
        case (2, 1): narrowHeads(job, first, 2, 1, tile &* job.dim)
        case (2, _): narrowHeads(job, first, 2, 2, 0)
        default: narrowHeads(job, first, 1, 2, 0)
        }
        first &+= heads
        tile &+= 1
    }
}

@c @implementation
func decode_columns_bf16_baseline(
    _ codes: UnsafeRawPointer, _ dim: Int, _ scales: UnsafeRawPointer?, _ block: Int,
    _ panel: UnsafeMutablePointer<Float>
) {
    var from = codes
    var to = panel
    let end = panel + dim &* blockKeys
    while to < end {
        f32x16_store(to, f32x16_load_weights(from, 1))
        f32x16_store(to + 16, f32x16_load_weights(from + 32, 1))
        from += blockKeys &* 2
        to += blockKeys
    }
}

@c @implementation
func decode_columns_fp8_baseline(
    _ codes: UnsafeRawPointer, _ dim: Int, _ scales: UnsafeRawPointer?, _ block: Int,
    _ panel: UnsafeMutablePointer<Float>
) {
    guard var scale = scales else { return }
    let power = f32x16_all(0x1p120)
    var from = codes
    var to = panel
    let end = panel + dim &* blockKeys
    while to < end {
        let last = min(end, to + block &* blockKeys)
        let low = f32x16_multiply(f32x16_load(scale), power)
        let high = f32x16_multiply(f32x16_load(scale + 64), power)
        while to < last {
            f32x16_store(to, f32x16_multiply(f32x16_load_weights(from, 2), low))
            f32x16_store(to + 16, f32x16_multiply(f32x16_load_weights(from + 16, 2), high))
            from += blockKeys
            to += blockKeys
        }
        scale += KeyColumns.pageKeys &* 4
    }
}
