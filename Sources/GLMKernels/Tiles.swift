import CVector

// Many tokens against a panel of decoded weights. The tile runs along k with one accumulator of 16 lanes per
// output: the order of additions of the vector product.

/// Tokens of tile `index` when `tokens` are spread evenly over `tiles`.
@inline(__always)
func tileTokens(_ tokens: Int, _ tiles: Int, _ index: Int) -> Int {
    tokens / tiles &+ (index < tokens % tiles ? 1 : 0)
}

/// One tile: `tokens` is a literal at every use, so the branches vanish.
@inline(__always)
private func wideTile(_ job: tile_product, _ x: UnsafePointer<Float>, _ start: Int, _ tokens: Int) {
    var tile = WideTile()
    let sums = job.sums + start &* 64
    if job.first == 0 { tile.load(sums, tokens) }
    var w = job.panel
    var token = x
    let end = w + job.groups &* 64
    while w < end {
        let weights = (
            f32x16_load(w), f32x16_load(w + 16), f32x16_load(w + 32), f32x16_load(w + 48)
        )
        tile.add(weights, token, 16, tokens)
        w += 64
        token += tokens &* 16
    }
    if job.last == 0 {
        tile.save(sums, tokens)
    } else {
        tile.store(job.y + start &* job.y_stride, job.y_stride, job.rows, tokens)
    }
}

@c @implementation
func product_tile1_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 1)
}
@c @implementation
func product_tile2_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 2)
}
@c @implementation
func product_tile3_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 3)
}
@c @implementation
func product_tile4_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 4)
}
@c @implementation
func product_tile5_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 5)
}
@c @implementation
func product_tile6_wide(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    wideTile(job.pointee, x, start, 6)
}

/// The lanes from `half` on of one tile of up to 3 tokens.
@inline(__always)
private func halfTile(
    _ job: tile_product, _ x: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, _ half: Int, _ tokens: Int
) -> HalfTile {
    var tile = HalfTile()
    if job.first == 0 { tile.load(sums + half, step: 16, 64, tokens) }
    var w = job.panel + half
    var token = x + half
    let end = w + job.groups &* 64
    while w < end {
        tile.add(halves(w, step: 16), token, 16, tokens)
        w += 64
        token += tokens &* 16
    }
    return tile
}

@inline(__always)
private func narrowTile(_ job: tile_product, _ x: UnsafePointer<Float>, _ start: Int, _ tokens: Int) {
    let sums = job.sums + start &* 64
    let tile = inHalves { halfTile(job, x, sums, $0, tokens) }
    if job.last == 0 {
        tile.save(sums, tokens)
    } else {
        tile.store(job.y + start &* job.y_stride, job.y_stride, job.rows, tokens)
    }
}

@c @implementation
func product_tile1_baseline(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    narrowTile(job.pointee, x, start, 1)
}
@c @implementation
func product_tile2_baseline(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    narrowTile(job.pointee, x, start, 2)
}
@c @implementation
func product_tile3_baseline(_ job: UnsafePointer<tile_product>, _ x: UnsafePointer<Float>, _ start: Int) {
    narrowTile(job.pointee, x, start, 3)
}

extension Kernels {
    /// All tiles of the block.
    @inline(never)
    func runTiles(_ job: UnsafePointer<tile_product>) {
        let block = job.pointee
        var start = 0
        for tile in 0..<block.tiles {
            let tokens = tileTokens(block.tokens, block.tiles, tile)
            let x = block.x + (start &* block.block_groups &+ tokens &* block.start_group) &* 16
            switch (vectors, tokens) {
            case (.avx512, 6): product_tile6_avx512(job, x, start)
            case (.avx512, 5): product_tile5_avx512(job, x, start)
            case (.avx512, 4): product_tile4_avx512(job, x, start)
            case (.avx512, 3): product_tile3_avx512(job, x, start)
            case (.avx512, 2): product_tile2_avx512(job, x, start)
            case (.avx512, _): product_tile1_avx512(job, x, start)
            case (.avx2, 3): product_tile3_avx2(job, x, start)
            case (.avx2, 2): product_tile2_avx2(job, x, start)
            case (.avx2, _): product_tile1_avx2(job, x, start)
            case (.baseline, 3): product_tile3_baseline(job, x, start)
            case (.baseline, 2): product_tile2_baseline(job, x, start)
            case (.baseline, _): product_tile1_baseline(job, x, start)
            }
            start &+= tokens
        }
    }
}
