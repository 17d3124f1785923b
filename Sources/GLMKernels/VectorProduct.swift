import CVector

// One token against stored weights, at the speed of memory: four weight rows at a time, one accumulator of 16
// lanes per output.

/// Bytes that prefetching runs ahead where the four rows are neighbours and make one stream.
let singleStreamDistance = 8192

/// Four rows of weights, a quarter of the job's rows apart, read side by side. Rows beyond the last repeat it.
///
/// Four streams keep more requests under way than one of four neighbouring rows: 33 against 26 GB/s with two
/// threads where the memory gives 34. Rows of FP8 codes may be neighbours all the same (`aheadOfFour`).
struct FourRows {
    let a, b, c, d: UnsafeRawPointer
    /// Up to this byte of a row the prefetch stays in the row; beyond it, it belongs to the row that follows.
    let turn: Int
    /// What prefetching runs ahead up to there, and beyond.
    let distance: Int
    let distanceBeyond: Int
    private let neighbourDistance: Int
    let cache: Int32

    /// Rows `row`, `row + step`, `row + 2 · step` and `row + 3 · step`. What is asked for behind the last of them lies
    /// where the rows after the job's begin.
    @inline(__always)
    init(_ job: vector_product, _ row: Int, step: Int, _ size: Int) {
        cache = job.cache
        let last = job.rows &- 1
        let stride = job.row_bytes
        let length = job.columns &* size
        // Where rows are shorter, so many of them as come nearest.
        let ahead = max(1, (job.ahead &+ length / 2) / max(1, length))
        distance = length < job.ahead ? ahead &* length : job.ahead
        let jump = row &+ ahead >= step ? job.distanceToNext &+ (job.rows &- step) &* stride : 0
        let left = (job.rows &- row) &* stride
        neighbourDistance =
            singleStreamDistance &+ (singleStreamDistance >= left ? job.distanceToNext : 0)
        a = job.weights + row &* stride
        b = job.weights + min(row &+ step, last) &* stride
        c = job.weights + min(row &+ 2 &* step, last) &* stride
        d = job.weights + min(row &+ 3 &* step, last) &* stride
        turn = max(0, length &- distance)
        // Columns of a wider matrix: what follows a row belongs to somebody else, so whole rows are skipped.
        let rows = length < job.ahead ? ahead &* stride &- distance : stride &- length
        distanceBeyond = distance &+ (stride == length ? 0 : rows) &+ jump
    }

    /// Asks for four lines that will be read a little later than those at `offset`.
    @inline(__always)
    func prefetchAfter(_ offset: Int) {
        let delta = offset &+ (offset < turn ? distance : distanceBeyond)
        askForWeights(a + delta, b + delta, c + delta, d + delta, cache: cache)
    }

    /// The same for four neighbours whose rows follow one another.
    @inline(__always)
    func prefetchNeighbours(_ offset: Int) {
        let delta = offset &+ neighbourDistance
        askForWeights(a + delta, b + delta, c + delta, d + delta, cache: cache)
    }
}

/// Asks for four lines of weights, into `cache` as in `vector_product`. On Intel the nearest cache gives 3 % over the second: a
/// line is read by two loads, and both would wait for it.
@inline(__always)
func askForWeights(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ c: UnsafeRawPointer, _ d: UnsafeRawPointer, cache: Int32
) {
    if cache == 2 {
        prefetch(a)
        prefetch(b)
        prefetch(c)
        prefetch(d)
    } else if cache == 1 {
        prefetch_once(a)
        prefetch_once(b)
        prefetch_once(c)
        prefetch_once(d)
    } else {
        prefetch_near(a)
        prefetch_near(b)
        prefetch_near(c)
        prefetch_near(d)
    }
}

/// Asks for two lines of weights.
@inline(__always)
func askForWeights(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, cache: Int32) {
    if cache == 2 {
        prefetch(a)
        prefetch(b)
    } else if cache == 1 {
        prefetch_once(a)
        prefetch_once(b)
    } else {
        prefetch_near(a)
        prefetch_near(b)
    }
}

extension vector_product {
    /// Bytes from the end of the rows to what is read next; 0 for what lies behind them.
    @inline(__always)
    var distanceToNext: Int { next.map { $0 - (weights + rows &* row_bytes) } ?? 0 }
}

/// Accumulators of four outputs.
struct FourSums {
    var a = f32x16_all(0), b = f32x16_all(0), c = f32x16_all(0), d = f32x16_all(0)

    @inline(__always)
    init() {}

    /// Stores the four sums `step` elements apart, those that lie before `end`.
    @inline(__always)
    func scatter(_ y: UnsafeMutablePointer<Float>, _ row: Int, step: Int, end: Int) {
        let sums = f32x16_sum4(a, b, c, d)
        y[row] = sums[0]
        if row &+ step < end { y[row &+ step] = sums[1] }
        if row &+ 2 &* step < end { y[row &+ 2 &* step] = sums[2] }
        if row &+ 3 &* step < end { y[row &+ 3 &* step] = sums[3] }
    }

    /// Stores the first `rows` of the four sums.
    @inline(__always)
    func store(_ y: UnsafeMutablePointer<Float>, rows: Int) {
        let sums = f32x16_sum4(a, b, c, d)
        if rows >= 4 {
            f32x4_store(y, sums)
        } else {
            y[0] = sums[0]
            if rows > 1 { y[1] = sums[1] }
            if rows > 2 { y[2] = sums[2] }
        }
    }
}

/// y[n] = Σ_k w[n, k] · x[k].
@inline(__always)
private func productBody(_ format: Int32, _ size: Int, _ job: vector_product) {
    let whole = job.columns & ~15
    let step = 64 / size
    let quarter = (job.rows &+ 3) / 4
    var row = 0
    while row < quarter {
        let w = FourRows(job, row, step: quarter, size)
        var sums = FourSums()
        var k = 0
        while k &+ step <= whole {
            w.prefetchAfter(k &* size)
            add(format, size, w, job.x, k, &sums)
            if size == 2 { add(format, size, w, job.x, k &+ 16, &sums) }
            k &+= step
        }
        while k < whole {
            w.prefetchAfter(k &* size)
            add(format, size, w, job.x, k, &sums)
            k &+= 16
        }
        if whole < job.columns { addTail(format, size, w, job, whole, &sums) }
        sums.scatter(job.y, row, step: quarter, end: job.rows)
        row &+= 1
    }
}

/// Walks along the scales of a row of FP8 blocks; without scales the row is one stretch.
struct ScaleCursor {
    private var next: UnsafeRawPointer?
    private var left: Int
    private let block: Int

    /// `phase` columns of the first block lie before column 0.
    @inline(__always)
    init(_ scales: UnsafeRawPointer?, block: Int, phase: Int) {
        next = scales
        left = block &- phase
        self.block = block
    }

    /// The scale of the block at hand times 2¹²⁰: what `f32x16_load_weights` left out.
    @inline(__always)
    var scale: f32x16 {
        guard let next else { return f32x16_all(1) }
        return f32x16_all(f32_load(next) * 0x1p120)
    }

    /// The scale of the block at hand times 2⁹⁶, for tokens that meet codes.
    @inline(__always)
    var codeScale: f32x16 {
        guard let next else { return f32x16_all(1) }
        return f32x16_all(f32_load(next) * CodeOrder.lift)
    }

    /// Where the block that holds column `k` ends, or `limit`; steps to the next block in the first case.
    @inline(__always)
    mutating func end(_ k: Int, _ limit: Int) -> Int {
        guard let scales = next else { return limit }
        let end = k &+ left
        if end > limit {
            left = end &- limit
            return limit
        }
        next = scales + 4
        left = block
        return end
    }
}

/// 16 weights as exact floats.
@inline(__always)
func weights(_ format: Int32, _ p: UnsafeRawPointer, _ scale: f32x16) -> f32x16 {
    format == 2 ? f32x16_multiply(f32x16_load_weights(p, format), scale) : f32x16_load_weights(p, format)
}

@inline(__always)
private func add(
    _ format: Int32, _ size: Int, _ w: FourRows, _ x: UnsafePointer<Float>, _ k: Int, _ sums: inout FourSums
) {
    let token = f32x16_load(x + k)
    let offset = k &* size
    sums.a = f32x16_multiply_add(f32x16_load_weights(w.a + offset, format), token, sums.a)
    sums.b = f32x16_multiply_add(f32x16_load_weights(w.b + offset, format), token, sums.b)
    sums.c = f32x16_multiply_add(f32x16_load_weights(w.c + offset, format), token, sums.c)
    sums.d = f32x16_multiply_add(f32x16_load_weights(w.d + offset, format), token, sums.d)
}

/// 1 to 15 weights, filled with zeros.
@inline(__always)
func tailWeights(_ format: Int32, _ p: UnsafeRawPointer, _ count: Int, _ scale: f32x16) -> f32x16 {
    let values = f32x16_load_weights_first(p, format, count)
    return format == 2 ? f32x16_multiply(values, scale) : values
}

@inline(__always)
private func addTail(
    _ format: Int32, _ size: Int, _ w: FourRows, _ job: vector_product, _ k: Int, _ sums: inout FourSums
) {
    let count = job.columns &- k
    let token = f32x16_load_first(job.x + k, count)
    let offset = k &* size
    sums.a = f32x16_multiply_add(f32x16_load_weights_first(w.a + offset, format, count), token, sums.a)
    sums.b = f32x16_multiply_add(f32x16_load_weights_first(w.b + offset, format, count), token, sums.b)
    sums.c = f32x16_multiply_add(f32x16_load_weights_first(w.c + offset, format, count), token, sums.c)
    sums.d = f32x16_multiply_add(f32x16_load_weights_first(w.d + offset, format, count), token, sums.d)
}

@c @implementation
func product_f32_baseline(_ job: UnsafePointer<vector_product>) { productBody(0, 4, job.pointee) }
@c @implementation
func product_bf16_baseline(_ job: UnsafePointer<vector_product>) { productBody(1, 2, job.pointee) }

extension Kernels {
    @inline(never)
    func vectorProduct(_ format: WeightView.Format, _ job: UnsafePointer<vector_product>) {
        switch (vectors, format) {
        case (.avx512, .float32): product_f32_avx512(job)
        case (.avx512, .bfloat16): product_bf16_avx512(job)
        case (.avx2, .float32): product_f32_avx2(job)
        case (.avx2, .bfloat16): product_bf16_avx2(job)
        case (.baseline, .float32): product_f32_baseline(job)
        case (.baseline, .bfloat16): product_bf16_baseline(job)
        case (_, .float8E4M3): codeProduct(job)
        }
    }
}
