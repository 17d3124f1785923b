import CVector

extension Kernels {
    /// The most tokens, or heads, of one tile of four rows: 24 sums in 32 registers, 12 in 16.
    var tileWidth: Int { vectors == .avx512 ? wideTileWidth : narrowTileWidth }
}

let wideTileWidth = 6
let narrowTileWidth = 3

/// Sums of 4 rows × up to 6 tokens: 24 of the 32 registers of AVX-512.
struct WideTile {
    var t0 = FourSums(), t1 = FourSums(), t2 = FourSums(), t3 = FourSums(), t4 = FourSums(), t5 = FourSums()

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func load(_ p: UnsafePointer<Float>, _ tokens: Int) {
        t0.load(p)
        if tokens > 1 { t1.load(p + 64) }
        if tokens > 2 { t2.load(p + 128) }
        if tokens > 3 { t3.load(p + 192) }
        if tokens > 4 { t4.load(p + 256) }
        if tokens > 5 { t5.load(p + 320) }
    }

    @inline(__always)
    func save(_ p: UnsafeMutablePointer<Float>, _ tokens: Int) {
        t0.save(p)
        if tokens > 1 { t1.save(p + 64) }
        if tokens > 2 { t2.save(p + 128) }
        if tokens > 3 { t3.save(p + 192) }
        if tokens > 4 { t4.save(p + 256) }
        if tokens > 5 { t5.save(p + 320) }
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

    /// Rows `step` apart from `row` on, those before `end`.
    @inline(__always)
    func scatter(
        _ y: UnsafeMutablePointer<Float>, _ stride: Int, _ row: Int, step: Int, end: Int, _ tokens: Int
    ) {
        t0.scatter(y, row, step: step, end: end)
        if tokens > 1 { t1.scatter(y + stride, row, step: step, end: end) }
        if tokens > 2 { t2.scatter(y + 2 &* stride, row, step: step, end: end) }
        if tokens > 3 { t3.scatter(y + 3 &* stride, row, step: step, end: end) }
        if tokens > 4 { t4.scatter(y + 4 &* stride, row, step: step, end: end) }
        if tokens > 5 { t5.scatter(y + 5 &* stride, row, step: step, end: end) }
    }

    /// One group of 16: a weight vector of each row, `tokens` token vectors `stride` floats apart.
    @inline(__always)
    mutating func add(_ w: FourVectors, _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int) {
        t0.add(w, f32x16_load(x))
        if tokens > 1 { t1.add(w, f32x16_load(x + stride)) }
        if tokens > 2 { t2.add(w, f32x16_load(x + 2 &* stride)) }
        if tokens > 3 { t3.add(w, f32x16_load(x + 3 &* stride)) }
        if tokens > 4 { t4.add(w, f32x16_load(x + 4 &* stride)) }
        if tokens > 5 { t5.add(w, f32x16_load(x + 5 &* stride)) }
    }
}

/// A vector for each of four rows.
typealias FourVectors = (f32x16, f32x16, f32x16, f32x16)

extension FourSums {
    /// The sums that lie side by side at `p`.
    @inline(__always)
    mutating func load(_ p: UnsafePointer<Float>) {
        a = f32x16_load(p)
        b = f32x16_load(p + 16)
        c = f32x16_load(p + 32)
        d = f32x16_load(p + 48)
    }

    @inline(__always)
    func save(_ p: UnsafeMutablePointer<Float>) {
        f32x16_store(p, a)
        f32x16_store(p + 16, b)
        f32x16_store(p + 32, c)
        f32x16_store(p + 48, d)
    }

    /// Each sum plus its row's weights times the token.
    @inline(__always)
    mutating func add(_ w: FourVectors, _ token: f32x16) {
        a = f32x16_multiply_add(w.0, token, a)
        b = f32x16_multiply_add(w.1, token, b)
        c = f32x16_multiply_add(w.2, token, c)
        d = f32x16_multiply_add(w.3, token, d)
    }
}
