import CVector

// One token, in code order and with the scales, against FP8 codes, 64 columns at a time: y[n] = Σ_k code[n, k] · x[k].

/// Four rows at a time, a quarter of the job's rows apart or neighbours.
///
/// - Parameter isWide: whether codes are decoded as only 32 registers do, and four rows meet each vector of the token; with 16 each row
///   meets it by itself, in halves.
@inline(__always)
private func fourRows(_ job: vector_product, isWide: Bool) {
    let whole = job.columns & ~63
    let quarter = (job.rows &+ 3) / 4
    // Fewer registers have no room for it.
    let isOneStream = isWide && job.ahead_of_four > 0
    let (step, next, end) = isOneStream ? (1, 4, job.rows) : (quarter, 1, quarter)
    var row = 0
    while row < end {
        let w = FourRows(job, row, step: step, 1)
        let requests = isOneStream ? CodeRequests(job, row, w) : CodeRequests(w)
        var sums = FourSums()
        var k = 0
        while k < whole {
            if isWide {
                requests.ask(k)
                let x = FourGroups(job.x + k)
                sums.a = x.add(wideCodes(w.a + k), sums.a)
                sums.b = x.add(wideCodes(w.b + k), sums.b)
                sums.c = x.add(wideCodes(w.c + k), sums.c)
                sums.d = x.add(wideCodes(w.d + k), sums.d)
            } else {
                w.prefetchAfter(k)
                addHalves(w.a + k, job.x + k, &sums.a)
                addHalves(w.b + k, job.x + k, &sums.b)
                addHalves(w.c + k, job.x + k, &sums.c)
                addHalves(w.d + k, job.x + k, &sums.d)
            }
            k &+= 64
        }
        if whole < job.columns {
            let x = FourGroups(job.x + k), count = job.columns &- whole
            sums.a = x.add(codes(w.a + k, first: count), sums.a)
            sums.b = x.add(codes(w.b + k, first: count), sums.b)
            sums.c = x.add(codes(w.c + k, first: count), sums.c)
            sums.d = x.add(codes(w.d + k, first: count), sums.d)
        }
        sums.scatter(job.y, row, step: step, end: job.rows)
        row &+= next
    }
}

/// 64 codes of a row: lanes 0 to 7 of their four groups, then the others. The token is read again for each row, since four rows'
/// sums and codes leave no register for it.
@inline(__always)
private func addHalves(_ w: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ sum: inout f32x16) {
    let low = half(w, x, f32x16_low(sum))
    sum = f32x16_join(low, half(w + 32, x + 8, f32x16_high(sum)))
}

@inline(__always)
private func half(_ w: UnsafeRawPointer, _ x: UnsafePointer<Float>, _ sum: f32x8) -> f32x8 {
    keep_order()
    var v: FourHalves = (f32x8_all(0), f32x8_all(0), f32x8_all(0), f32x8_all(0))
    f32x8_load_32_codes(w, &v)
    let first = f32x8_multiply_add(v.1, f32x8_load(x + 16), f32x8_multiply_add(v.0, f32x8_load(x), sum))
    return f32x8_multiply_add(v.3, f32x8_load(x + 48), f32x8_multiply_add(v.2, f32x8_load(x + 32), first))
}

/// What is asked for while four rows of codes are multiplied: four lines at a time, of each stream one or of the only one the next.
private struct CodeRequests {
    private let a, b, c, d: UnsafeRawPointer
    /// Bytes that they go on for each code of a row, as a power of two.
    private let pace: Int
    /// Up to this code they run `distance` ahead, then `distanceBeyond`.
    private let turn: Int
    private let distance: Int
    private let distanceBeyond: Int
    private let cache: Int32

    /// Of four streams.
    @inline(__always)
    init(_ w: FourRows) {
        (a, b, c, d) = (w.a, w.b, w.c, w.d)
        (pace, turn, distance, distanceBeyond) = (0, w.turn, w.distance, w.distanceBeyond)
        cache = w.cache
    }

    /// Of the one that neighbours from `row` on make.
    @inline(__always)
    init(_ job: vector_product, _ row: Int, _ w: FourRows) {
        (a, b, c, d) = (w.a, w.a + 64, w.a + 128, w.a + 192)
        pace = 2
        distance = job.ahead_of_four
        distanceBeyond = distance &+ job.distanceToNext
        turn = ((job.rows &- row) &* job.row_bytes &- distance) / 4
        cache = w.cache
    }

    /// At code `k` of the rows.
    @inline(__always)
    func ask(_ k: Int) {
        let delta = (k &<< pace) &+ (k < turn ? distance : distanceBeyond)
        askForWeights(a + delta, b + delta, c + delta, d + delta, cache: cache)
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

/// The same numbers as `codes`, in an operation less for 64; for the loops that only 32 registers run.
@inline(__always)
func wideCodes(_ p: UnsafeRawPointer) -> FourVectors {
    var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
    f32x16_multiply_64_codes(p, &w)
    return w
}

@c @implementation
func product_fp8_wide(_ job: UnsafePointer<vector_product>) { fourRows(job.pointee, isWide: true) }
@c @implementation
func product_fp8_baseline(_ job: UnsafePointer<vector_product>) { fourRows(job.pointee, isWide: false) }

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
