import CVector

// y[t, c] += Σ_r x[t, r] · panel[r, c] over 64 columns, r ascending, one accumulator per output element. y
// itself carries the sums from one panel to the next.

/// Four vectors of one token's 64 columns.
private struct Columns {
    var a = f32x16_all(0), b = f32x16_all(0), c = f32x16_all(0), d = f32x16_all(0)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func load(_ y: UnsafePointer<Float>) {
        a = f32x16_load(y)
        b = f32x16_load(y + 16)
        c = f32x16_load(y + 32)
        d = f32x16_load(y + 48)
    }

    @inline(__always)
    func save(_ y: UnsafeMutablePointer<Float>) {
        f32x16_store(y, a)
        f32x16_store(y + 16, b)
        f32x16_store(y + 32, c)
        f32x16_store(y + 48, d)
    }

    @inline(__always)
    mutating func add(_ x: Float, _ wa: f32x16, _ wb: f32x16, _ wc: f32x16, _ wd: f32x16) {
        let token = f32x16_all(x)
        a = f32x16_multiply_add(token, wa, a)
        b = f32x16_multiply_add(token, wb, b)
        c = f32x16_multiply_add(token, wc, c)
        d = f32x16_multiply_add(token, wd, d)
    }
}

@inline(__always)
private func wideTile(_ job: transposed_tile, _ start: Int, _ tokens: Int) {
    var t0 = Columns(), t1 = Columns(), t2 = Columns(), t3 = Columns(), t4 = Columns(), t5 = Columns()
    let y = job.y + start &* job.y_stride, stride = job.y_stride
    if job.first == 0 {
        t0.load(y)
        if tokens > 1 { t1.load(y + stride) }
        if tokens > 2 { t2.load(y + 2 &* stride) }
        if tokens > 3 { t3.load(y + 3 &* stride) }
        if tokens > 4 { t4.load(y + 4 &* stride) }
        if tokens > 5 { t5.load(y + 5 &* stride) }
    }
    var w = job.panel
    var x = job.x + start &* job.x_stride
    let end = w + job.rows &* 64
    while w < end {
        let a = f32x16_load(w), b = f32x16_load(w + 16), c = f32x16_load(w + 32), d = f32x16_load(w + 48)
        t0.add(x[0], a, b, c, d)
        if tokens > 1 { t1.add(x[job.x_stride], a, b, c, d) }
        if tokens > 2 { t2.add(x[2 &* job.x_stride], a, b, c, d) }
        if tokens > 3 { t3.add(x[3 &* job.x_stride], a, b, c, d) }
        if tokens > 4 { t4.add(x[4 &* job.x_stride], a, b, c, d) }
        if tokens > 5 { t5.add(x[5 &* job.x_stride], a, b, c, d) }
        w += 64
        x += 1
    }
    t0.save(y)
    if tokens > 1 { t1.save(y + stride) }
    if tokens > 2 { t2.save(y + 2 &* stride) }
    if tokens > 3 { t3.save(y + 3 &* stride) }
    if tokens > 4 { t4.save(y + 4 &* stride) }
    if tokens > 5 { t5.save(y + 5 &* stride) }
}

@c @implementation
func transposed_tiles_wide(_ job: UnsafePointer<transposed_tile>) {
    let job = job.pointee
    let tiles = (job.tokens &+ wideTileWidth &- 1) / wideTileWidth
    var start = 0
    var index = 0
    while index < tiles {
        let tokens = tileTokens(job.tokens, tiles, index)
        switch tokens {
        case 6: wideTile(job, start, 6)
        case 5: wideTile(job, start, 5)
        case 4: wideTile(job, start, 4)
        case 3: wideTile(job, start, 3)
        case 2: wideTile(job, start, 2)
        default: wideTile(job, start, 1)
        }
        start &+= tokens
        index &+= 1
    }
}

/// 32 columns × up to 3 tokens.
@inline(__always)
private func narrowTile(_ job: transposed_tile, _ start: Int, _ column: Int, _ tokens: Int) {
    var tile = HalfTile()
    let y = job.y + start &* job.y_stride + column
    if job.first == 0 { tile.load(y, step: 8, job.y_stride, tokens) }
    var w = job.panel + column
    var x = job.x + start &* job.x_stride
    let end = w + job.rows &* 64
    while w < end {
        tile.add(halves(w, step: 8), all: x, job.x_stride, tokens)
        w += 64
        x += 1
    }
    tile.save(y, step: 8, job.y_stride, tokens)
}

@c @implementation
func transposed_tiles_baseline(_ job: UnsafePointer<transposed_tile>) {
    let job = job.pointee
    let tiles = (job.tokens &+ narrowTileWidth &- 1) / narrowTileWidth
    var start = 0
    var index = 0
    while index < tiles {
        let tokens = tileTokens(job.tokens, tiles, index)
        var column = 0
        while column < 64 {
            switch tokens {
            case 3: narrowTile(job, start, column, 3)
            case 2: narrowTile(job, start, column, 2)
            default: narrowTile(job, start, column, 1)
            }
            column &+= 32
        }
        start &+= tokens
        index &+= 1
    }
}

extension Kernels {
    @inline(never)
    func runTransposedTiles(_ job: UnsafePointer<transposed_tile>) {
        switch vectors {
        case .avx512: transposed_tiles_avx512(job)
        case .avx2: transposed_tiles_avx2(job)
        case .baseline: transposed_tiles_baseline(job)
        }
    }
}
