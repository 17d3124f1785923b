import CVector

// One token, in code order and with the scales, against FP8 codes, 64 columns at a time: y[n] = Σ_k code[n, k] · x[k].

/// Four rows at a time; those of the first stream begin with row `first`.
///
/// - Parameter isWide: whether codes are decoded as only 32 registers do.
@inline(__always)
private func fourRows(_ job: vector_product, from first: Int, isWide: Bool) {
    let whole = job.columns & ~63
    let quarter = (job.rows &+ 3) / 4
    var row = first
    while row < quarter {
        let w = FourRows(job, row, step: quarter, 1)
        var sums = FourSums()
        var k = 0
        while k < whole {
            w.prefetchAfter(k)
            let x = FourGroups(job.x + k)
            sums.a = x.add(isWide ? wideCodes(w.a + k) : codes(w.a + k), sums.a)
            sums.b = x.add(isWide ? wideCodes(w.b + k) : codes(w.b + k), sums.b)
            sums.c = x.add(isWide ? wideCodes(w.c + k) : codes(w.c + k), sums.c)
            sums.d = x.add(isWide ? wideCodes(w.d + k) : codes(w.d + k), sums.d)
            k &+= 64
        }
        if whole < job.columns {
            let x = FourGroups(job.x + k), count = job.columns &- whole
            sums.a = x.add(codes(w.a + k, first: count), sums.a)
            sums.b = x.add(codes(w.b + k, first: count), sums.b)
            sums.c = x.add(codes(w.c + k, first: count), sums.c)
            sums.d = x.add(codes(w.d + k, first: count), sums.d)
        }
        sums.scatter(job.y, row, step: quarter, end: job.rows)
        row &+= 1
    }
}

/// 64 elements of a token.
private struct FourGroups {
    let a, b, c, d: f32x16

    @inline(__always)
    init(_ x: UnsafePointer<Float>) {
        a = f32x16_load(x)
        b = f32x16_load(x + 16)
        c = f32x16_load(x + 32)
        d = f32x16_load(x + 48)
    }

    /// `sum` plus the products with 64 weights.
    @inline(__always)
    func add(_ w: FourVectors, _ sum: f32x16) -> f32x16 {
        let first = f32x16_multiply_add(w.1, b, f32x16_multiply_add(w.0, a, sum))
        return f32x16_multiply_add(w.3, d, f32x16_multiply_add(w.2, c, first))
    }
}

/// Bytes that prefetching runs ahead in each of four streams, at least.
private let codeDistance = 2048

/// How the rows of a job lie for the loop that takes eight at a time: two neighbours in each of four streams a quarter
/// of the job's rows apart.
///
/// A sum takes four products one after the other for 64 codes, 16 cycles; on Zen 4 four sums leave the arithmetic idle in a
/// third of them, eight do not. Reading stays four streams: while a pair is worked on, a later pair is asked for in the
/// order in which it lies in memory (51 against 66 GB/s with two threads, where the memory gives 76).
private struct RowPairs {
    /// Rows from one stream to the next.
    let step: Int
    /// Bytes from one stream to the next.
    let apart: Int
    /// Rows of a stream for which all four streams have two rows.
    let whole: Int
    /// Where in a stream the line asked for first lies, how far on the second, and bytes asked for a byte worked on.
    private let ahead, second, speed: Int
    /// From this row of a stream on, what is asked for lies behind the job.
    private let border: Int
    /// Where in a row what follows belongs to other rows, and how many bytes on these lie.
    let turn, skip: Int

    @inline(__always)
    init(_ job: vector_product) {
        let stride = job.row_bytes
        step = (job.rows &+ 3) / 4
        apart = step &* stride
        whole = (job.rows &- 3 &* step) & ~1
        let isLong = stride >= codeDistance
        let isDense = stride == job.columns
        ahead = isLong ? codeDistance / 2 : ((codeDistance &- 1) / (2 &* stride) &+ 1) &* 2 &* stride
        (second, speed) = isDense && !isLong ? (64, 128) : (stride, 64)
        border = step &- 1 &- ahead / stride
        turn = isLong ? (stride &- codeDistance / 2) & ~63 : -1
        skip = stride
    }

    /// Bytes between lines asked for in one stream.
    var pairDistance: Int { second }
    /// Bytes that the place asked for moves on with 64 codes.
    var advance: Int { speed }

    /// How far behind row `row` lies what is asked for first. What follows the last rows of a quarter are the first
    /// rows behind the job's.
    @inline(__always)
    func distance(_ job: vector_product, _ row: Int) -> Int {
        ahead &+ (row >= border ? job.distanceToNext &+ (job.rows &- step) &* job.row_bytes : 0)
    }
}

/// Asks for two lines in each of four streams.
@inline(__always)
private func prefetchPairs(_ p: UnsafeRawPointer, _ apart: Int, _ second: Int, once: Bool) {
    let q = p + second
    askForWeights(p, q, p + apart, q + apart, once: once)
    askForWeights(p + 2 &* apart, q + 2 &* apart, p + 3 &* apart, q + 3 &* apart, once: once)
}

/// For 32 registers: eight rows at a time where the job wants pairs, and four at a time what is left.
@inline(__always)
private func wideRows(_ job: vector_product) {
    let rows = RowPairs(job)
    let columns = job.columns & ~63
    let apart = rows.apart, second = rows.pairDistance, once = job.once != 0
    let whole = job.pairs != 0 ? rows.whole : 0
    var row = 0
    while row < whole {
        var p = job.weights + row &* job.row_bytes
        var x = job.x
        var next = p + rows.distance(job, row)
        let end = p + columns
        let turn = p + rows.turn
        var a = FourSums(), b = FourSums()
        while p < end {
            prefetchPairs(next, apart, second, once: once)
            if p == turn { next += rows.skip }
            let token = FourGroups(x)
            let q = p + job.row_bytes
            a.a = token.add(wideCodes(p), a.a)
            a.b = token.add(wideCodes(p + apart), a.b)
            a.c = token.add(wideCodes(p + 2 &* apart), a.c)
            a.d = token.add(wideCodes(p + 3 &* apart), a.d)
            b.a = token.add(wideCodes(q), b.a)
            b.b = token.add(wideCodes(q + apart), b.b)
            b.c = token.add(wideCodes(q + 2 &* apart), b.c)
            b.d = token.add(wideCodes(q + 3 &* apart), b.d)
            next += rows.advance
            p += 64
            x += 64
        }
        if columns < job.columns {
            let token = FourGroups(x), count = job.columns &- columns
            let q = p + job.row_bytes
            a.a = token.add(codes(p, first: count), a.a)
            a.b = token.add(codes(p + apart, first: count), a.b)
            a.c = token.add(codes(p + 2 &* apart, first: count), a.c)
            a.d = token.add(codes(p + 3 &* apart, first: count), a.d)
            b.a = token.add(codes(q, first: count), b.a)
            b.b = token.add(codes(q + apart, first: count), b.b)
            b.c = token.add(codes(q + 2 &* apart, first: count), b.c)
            b.d = token.add(codes(q + 3 &* apart, first: count), b.d)
        }
        a.scatter(job.y, row, step: rows.step, end: job.rows)
        b.scatter(job.y, row &+ 1, step: rows.step, end: job.rows)
        row &+= 2
    }
    fourRows(job, from: row, isWide: true)
}

/// The same numbers as `codes`, in an operation less for 64; for the loops that only 32 registers run.
@inline(__always)
func wideCodes(_ p: UnsafeRawPointer) -> FourVectors {
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    f32x16_multiply_64_codes(p, &w)
    return w
}

@c @implementation
func product_fp8_wide(_ job: UnsafePointer<vector_product>) { wideRows(job.pointee) }
@c @implementation
func product_fp8_baseline(_ job: UnsafePointer<vector_product>) {
    fourRows(job.pointee, from: 0, isWide: false)
}

extension Kernels {
    /// Rows of FP8 codes by one token in code order that has the scales.
    @inline(never)
    func codeProduct(_ job: UnsafePointer<vector_product>) {
        switch vectors {
        case .avx512: product_fp8_avx512(job)
        case .avx2: product_fp8_avx2(job)
        case .baseline: product_fp8_baseline(job)
        }
    }
}
