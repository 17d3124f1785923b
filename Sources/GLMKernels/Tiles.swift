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

/// Two rows × up to 3 tokens, each sum in two halves: 12 of the 16 registers of AVX2.
@inline(__always)
private func narrowTile(
    _ job: tile_product, _ x: UnsafePointer<Float>, _ tileTokens: Int, _ start: Int, _ row: Int, _ tokens: Int
) {
    var a0 = f32x16_all(0), a1 = a0, a2 = a0, b0 = a0, b1 = a0, b2 = a0
    let sums = job.sums + start &* 64 + row &* 16
    if job.first == 0 {
        a0 = f32x16_load(sums)
        b0 = f32x16_load(sums + 16)
        if tokens > 1 { a1 = f32x16_load(sums + 64) }
        if tokens > 1 { b1 = f32x16_load(sums + 80) }
        if tokens > 2 { a2 = f32x16_load(sums + 128) }
        if tokens > 2 { b2 = f32x16_load(sums + 144) }
    }
    var w = job.panel + row &* 16
    var token = x
    let end = w + job.groups &* 64
    while w < end {
        let a = f32x16_load(w), b = f32x16_load(w + 16)
        let x0 = f32x16_load(token)
        a0 = f32x16_multiply_add(a, x0, a0)
        b0 = f32x16_multiply_add(b, x0, b0)
        if tokens > 1 {
            let x1 = f32x16_load(token + 16)
            a1 = f32x16_multiply_add(a, x1, a1)
            b1 = f32x16_multiply_add(b, x1, b1)
        }
        if tokens > 2 {
            let x2 = f32x16_load(token + 32)
            a2 = f32x16_multiply_add(a, x2, a2)
            b2 = f32x16_multiply_add(b, x2, b2)
        }
        w += 64
        token += tileTokens &* 16
    }
    if job.last == 0 {
        f32x16_store(sums, a0)
        f32x16_store(sums + 16, b0)
        if tokens > 1 { f32x16_store(sums + 64, a1) }
        if tokens > 1 { f32x16_store(sums + 80, b1) }
        if tokens > 2 { f32x16_store(sums + 128, a2) }
        if tokens > 2 { f32x16_store(sums + 144, b2) }
    } else {
        let y = job.y + start &* job.y_stride + row
        let both = row &+ 1 < job.rows
        y[0] = f32x16_sum(a0)
        if both { y[1] = f32x16_sum(b0) }
        if tokens > 1 { y[job.y_stride] = f32x16_sum(a1) }
        if tokens > 1 && both { y[job.y_stride &+ 1] = f32x16_sum(b1) }
        if tokens > 2 { y[2 &* job.y_stride] = f32x16_sum(a2) }
        if tokens > 2 && both { y[2 &* job.y_stride &+ 1] = f32x16_sum(b2) }
    }
}

@c @implementation
func product_tiles_baseline(_ job: UnsafePointer<tile_product>) {
    let job = job.pointee
    var start = 0
    var index = 0
    while index < job.tiles {
        let tokens = tileTokens(job.tokens, job.tiles, index)
        let x = job.x + (start &* job.block_groups &+ tokens &* job.start_group) &* 16
        var row = 0
        while row < job.rows {
            var token = 0
            while token < tokens {
                let part = min(3, tokens &- token)
                switch part {
                case 3: narrowTile(job, x + token &* 16, tokens, start &+ token, row, 3)
                case 2: narrowTile(job, x + token &* 16, tokens, start &+ token, row, 2)
                default: narrowTile(job, x + token &* 16, tokens, start &+ token, row, 1)
                }
                token &+= part
            }
            row &+= 2
        }
        start &+= tokens
        index &+= 1
    }
}

extension Kernels {
    @inline(never)
    func runTiles(_ job: UnsafePointer<tile_product>) {
        switch vectors {
        case .avx512: runWideTiles(job)
        case .avx2: product_tiles_avx2(job)
        case .baseline: product_tiles_baseline(job)
        }
    }

    @inline(never)
    private func runWideTiles(_ job: UnsafePointer<tile_product>) {
        let block = job.pointee
        var start = 0
        for tile in 0..<block.tiles {
            let tokens = tileTokens(block.tokens, block.tiles, tile)
            let x = block.x + (start &* block.block_groups &+ tokens &* block.start_group) &* 16
            switch tokens {
            case 6: product_tile6_avx512(job, x, start)
            case 5: product_tile5_avx512(job, x, start)
            case 4: product_tile4_avx512(job, x, start)
            case 3: product_tile3_avx512(job, x, start)
            case 2: product_tile2_avx512(job, x, start)
            default: product_tile1_avx512(job, x, start)
            }
            start &+= tokens
        }
    }
}
