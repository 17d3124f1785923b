import CVector

// Many tokens against a panel of decoded weights. The tile runs along k with one accumulator of 16 lanes per
// output: the order of additions of the vector product.

/// Tokens of tile `index` when `tokens` are spread evenly over `tiles`.
@inline(__always)
func tileTokens(_ tokens: Int, _ tiles: Int, _ index: Int) -> Int {
    tokens / tiles &+ (index < tokens % tiles ? 1 : 0)
}

/// The most tokens of one tile.
let tileWidth = 6

/// Sums of 4 rows × up to 6 tokens: 24 of the 32 registers of AVX-512.
private struct WideTile {
    var t0 = FourSums(), t1 = FourSums(), t2 = FourSums(), t3 = FourSums(), t4 = FourSums(), t5 = FourSums()

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func load(_ p: UnsafePointer<Float>, _ tokens: Int) {
        WideTile.load(p, &t0)
        if tokens > 1 { WideTile.load(p + 64, &t1) }
        if tokens > 2 { WideTile.load(p + 128, &t2) }
        if tokens > 3 { WideTile.load(p + 192, &t3) }
        if tokens > 4 { WideTile.load(p + 256, &t4) }
        if tokens > 5 { WideTile.load(p + 320, &t5) }
    }

    @inline(__always)
    func save(_ p: UnsafeMutablePointer<Float>, _ tokens: Int) {
        WideTile.save(p, t0)
        if tokens > 1 { WideTile.save(p + 64, t1) }
        if tokens > 2 { WideTile.save(p + 128, t2) }
        if tokens > 3 { WideTile.save(p + 192, t3) }
        if tokens > 4 { WideTile.save(p + 256, t4) }
        if tokens > 5 { WideTile.save(p + 320, t5) }
    }

    @inline(__always)
    func store(_ y: UnsafeMutablePointer<Float>, _ stride: Int, _ rows: Int, _ tokens: Int) {
        t0.store(y, rows: rows)
        if tokens > 1 { t1.store(y + stride, rows: rows) }
        if tokens > 2 { t2.store(y + 2 &* stride, rows: rows) }
        if tokens > 3 { t3.store(y + 3 &* stride, rows: rows) }
        if tokens > 4 { t4.store(y + 4 &* stride, rows: rows) }
        if tokens > 5 { t5.store(y + 5 &* stride, rows: rows) }
    }

    /// One group of 16: four weight vectors, `tokens` token vectors.
    @inline(__always)
    mutating func add(_ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ tokens: Int) {
        let a = f32x16_load(w), b = f32x16_load(w + 16), c = f32x16_load(w + 32), d = f32x16_load(w + 48)
        WideTile.add(a, b, c, d, x, &t0)
        if tokens > 1 { WideTile.add(a, b, c, d, x + 16, &t1) }
        if tokens > 2 { WideTile.add(a, b, c, d, x + 32, &t2) }
        if tokens > 3 { WideTile.add(a, b, c, d, x + 48, &t3) }
        if tokens > 4 { WideTile.add(a, b, c, d, x + 64, &t4) }
        if tokens > 5 { WideTile.add(a, b, c, d, x + 80, &t5) }
    }

    @inline(__always)
    static func load(_ p: UnsafePointer<Float>, _ sums: inout FourSums) {
        sums.a = f32x16_load(p)
        sums.b = f32x16_load(p + 16)
        sums.c = f32x16_load(p + 32)
        sums.d = f32x16_load(p + 48)
    }

    @inline(__always)
    static func save(_ p: UnsafeMutablePointer<Float>, _ sums: FourSums) {
        f32x16_store(p, sums.a)
        f32x16_store(p + 16, sums.b)
        f32x16_store(p + 32, sums.c)
        f32x16_store(p + 48, sums.d)
    }

    @inline(__always)
    static func add(
        _ a: f32x16, _ b: f32x16, _ c: f32x16, _ d: f32x16, _ x: UnsafePointer<Float>, _ sums: inout FourSums
    ) {
        let token = f32x16_load(x)
        sums.a = f32x16_multiply_add(a, token, sums.a)
        sums.b = f32x16_multiply_add(b, token, sums.b)
        sums.c = f32x16_multiply_add(c, token, sums.c)
        sums.d = f32x16_multiply_add(d, token, sums.d)
    }
}

/// One tile: `tokens` is a literal at every use, so the branches above vanish.
@inline(__always)
private func wideTile(_ job: tile_product, _ x: UnsafePointer<Float>, _ start: Int, _ tokens: Int) {
    var tile = WideTile()
    let sums = job.sums + start &* 64
    if job.first == 0 { tile.load(sums, tokens) }
    var w = job.panel
    var token = x
    let end = w + job.groups &* 64
    while w < end {
        tile.add(w, token, tokens)
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
        switch level {
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
