import CVector

/// Half a vector for each of four rows, or four pieces of one.
typealias FourHalves = (f32x8, f32x8, f32x8, f32x8)

/// Those that lie `step` floats apart.
@inline(__always)
func halves(_ p: UnsafePointer<Float>, step: Int) -> FourHalves {
    (f32x8_load(p), f32x8_load(p + step), f32x8_load(p + 2 &* step), f32x8_load(p + 3 &* step))
}

/// Eight of the 16 lanes of the sums of 4 rows × up to 3 tokens: 12 of the 16 registers of AVX2, which leaves three for tokens and
/// one for rows, and 7 loads for 12 multiplications. Lanes never meet before a sum is complete, so the other eight take their turn
/// behind them.
///
/// The rows may as well be four pieces of one, where lanes are outputs (`step` floats from one to the next).
struct HalfTile {
    private var t0 = HalfSums(), t1 = HalfSums(), t2 = HalfSums()

    @inline(__always)
    init() {}

    /// Sums whose rows lie `step` floats apart, and whose tokens lie `stride` apart.
    @inline(__always)
    mutating func load(_ p: UnsafePointer<Float>, step: Int, _ stride: Int, _ tokens: Int) {
        t0.load(p, step)
        if tokens > 1 { t1.load(p + stride, step) }
        if tokens > 2 { t2.load(p + 2 &* stride, step) }
    }

    @inline(__always)
    func save(_ p: UnsafeMutablePointer<Float>, step: Int, _ stride: Int, _ tokens: Int) {
        t0.save(p, step)
        if tokens > 1 { t1.save(p + stride, step) }
        if tokens > 2 { t2.save(p + 2 &* stride, step) }
    }

    /// What the lanes before these have summed up goes first.
    @inline(__always)
    fileprivate func join(low: HalfTile) -> WideTile {
        var tile = WideTile()
        tile.t0 = t0.join(low: low.t0)
        tile.t1 = t1.join(low: low.t1)
        tile.t2 = t2.join(low: low.t2)
        return tile
    }

    /// Half a group of four rows, and of `tokens` tokens `stride` floats apart.
    @inline(__always)
    mutating func add(_ w: FourHalves, _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int) {
        let x0 = f32x8_load(x)
        add(
            w, x0, tokens > 1 ? f32x8_load(x + stride) : x0, tokens > 2 ? f32x8_load(x + 2 &* stride) : x0,
            tokens)
    }

    /// One number of each token, `stride` floats apart, by four pieces of a row.
    @inline(__always)
    mutating func add(_ w: FourHalves, all x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int) {
        let x0 = f32x8_all(x[0])
        add(
            w, x0, tokens > 1 ? f32x8_all(x[stride]) : x0, tokens > 2 ? f32x8_all(x[2 &* stride]) : x0, tokens
        )
    }

    /// 32 scores plus weight · max(0, scale · dot) of each token, one after the other, where lanes are scores.
    @inline(__always)
    func addPositive(
        _ weights: UnsafePointer<Float>, _ scale: Float, _ tokens: Int, to scores: UnsafeMutablePointer<Float>
    ) {
        var sums = HalfSums()
        sums.load(scores, 8)
        sums.addPositive(t0, weights[0], scale)
        if tokens > 1 { sums.addPositive(t1, weights[1], scale) }
        if tokens > 2 { sums.addPositive(t2, weights[2], scale) }
        sums.save(scores, 8)
    }

    /// Row by row: a row's register is free behind it.
    @inline(__always)
    private mutating func add(_ w: FourHalves, _ x0: f32x8, _ x1: f32x8, _ x2: f32x8, _ tokens: Int) {
        t0.a = f32x8_multiply_add(w.0, x0, t0.a)
        if tokens > 1 { t1.a = f32x8_multiply_add(w.0, x1, t1.a) }
        if tokens > 2 { t2.a = f32x8_multiply_add(w.0, x2, t2.a) }
        t0.b = f32x8_multiply_add(w.1, x0, t0.b)
        if tokens > 1 { t1.b = f32x8_multiply_add(w.1, x1, t1.b) }
        if tokens > 2 { t2.b = f32x8_multiply_add(w.1, x2, t2.b) }
        t0.c = f32x8_multiply_add(w.2, x0, t0.c)
        if tokens > 1 { t1.c = f32x8_multiply_add(w.2, x1, t1.c) }
        if tokens > 2 { t2.c = f32x8_multiply_add(w.2, x2, t2.c) }
        t0.d = f32x8_multiply_add(w.3, x0, t0.d)
        if tokens > 1 { t1.d = f32x8_multiply_add(w.3, x1, t1.d) }
        if tokens > 2 { t2.d = f32x8_multiply_add(w.3, x2, t2.d) }
    }
}

/// Sums in two halves, those of lanes 0 to 7 first: `half` is called with 0, then with 8.
///
/// One call in the source, so that it is inlined: what is not would be compiled for no instruction set, and round otherwise.
@inline(__always)
func inHalves(_ half: (_ first: Int) -> HalfTile) -> WideTile {
    var low = HalfTile()
    var first = 0
    while true {
        let tile = half(first)
        if first > 0 { return tile.join(low: low) }
        low = tile
        first = 8
    }
}

/// Half of the accumulators of four outputs.
private struct HalfSums {
    var a = f32x8_all(0), b = f32x8_all(0), c = f32x8_all(0), d = f32x8_all(0)

    @inline(__always)
    init() {}

    @inline(__always)
    mutating func load(_ p: UnsafePointer<Float>, _ step: Int) {
        a = f32x8_load(p)
        b = f32x8_load(p + step)
        c = f32x8_load(p + 2 &* step)
        d = f32x8_load(p + 3 &* step)
    }

    @inline(__always)
    func save(_ p: UnsafeMutablePointer<Float>, _ step: Int) {
        f32x8_store(p, a)
        f32x8_store(p + step, b)
        f32x8_store(p + 2 &* step, c)
        f32x8_store(p + 3 &* step, d)
    }

    /// Each plus weight · max(0, scale · dot).
    @inline(__always)
    mutating func addPositive(_ dots: HalfSums, _ weight: Float, _ scale: Float) {
        a = f32x8_add_positive(a, dots.a, weight, scale)
        b = f32x8_add_positive(b, dots.b, weight, scale)
        c = f32x8_add_positive(c, dots.c, weight, scale)
        d = f32x8_add_positive(d, dots.d, weight, scale)
    }

    @inline(__always)
    func join(low: HalfSums) -> FourSums {
        var sums = FourSums()
        sums.a = f32x16_join(low.a, a)
        sums.b = f32x16_join(low.b, b)
        sums.c = f32x16_join(low.c, c)
        sums.d = f32x16_join(low.d, d)
        return sums
    }
}
