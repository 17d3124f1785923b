import CVector

// Gathered cache rows read where they lie: query heads by four rows for the scores, 64 columns of all rows for the
// values. Orders of additions: the vector product's for a score, positions ascending for a value
// within one call.

@inline(__always)
private func add(
    _ a: f32x16, _ b: f32x16, _ c: f32x16, _ d: f32x16, _ query: UnsafePointer<Float>, _ sums: inout FourSums
) {
    let head = f32x16_load(query)
    sums.a = f32x16_multiply_add(a, head, sums.a)
    sums.b = f32x16_multiply_add(b, head, sums.b)
    sums.c = f32x16_multiply_add(c, head, sums.c)
    sums.d = f32x16_multiply_add(d, head, sums.d)
}

/// Asks for the next lines of the rows that the job names, one of each row in turn: four streams that memory serves side by
/// side, and no burst that waits for free line buffers (Intel: 15 % over row after row).
@inline(__always)
private func askForLines(_ job: row_tile, _ line: inout Int) {
    if job.asked > 0 { ask(job, line) }
    if job.asked > 1 { ask(job, line &+ 1) }
    if job.asked > 2 { ask(job, line &+ 2) }
    if job.asked > 3 { ask(job, line &+ 3) }
    line &+= job.asked
}

@inline(__always)
private func ask(_ job: row_tile, _ line: Int) {
    let isFirstPair = line & 2 == 0
    let even = isFirstPair ? job.next_a : job.next_c, odd = isFirstPair ? job.next_b : job.next_d
    prefetch((line & 1 == 0 ? even : odd) + (line &>> 2) &* 16)
}

/// Four rows by `heads` heads, a literal from 1 to 6: 24 accumulators of 32 registers.
@inline(__always)
private func wideRows(_ job: row_tile, _ heads: Int) {
    var s0 = FourSums(), s1 = FourSums(), s2 = FourSums(), s3 = FourSums(), s4 = FourSums(), s5 = FourSums()
    let stride = job.query_stride
    var line = job.asked_before
    var k = 0
    let end = job.groups &* 16
    while k < end {
        let a = f32x16_load(job.a + k), b = f32x16_load(job.b + k)
        let c = f32x16_load(job.c + k), d = f32x16_load(job.d + k)
        let query = job.query + k
        askForLines(job, &line)
        add(a, b, c, d, query, &s0)
        if heads > 1 { add(a, b, c, d, query + stride, &s1) }
        if heads > 2 { add(a, b, c, d, query + 2 &* stride, &s2) }
        if heads > 3 { add(a, b, c, d, query + 3 &* stride, &s3) }
        if heads > 4 { add(a, b, c, d, query + 4 &* stride, &s4) }
        if heads > 5 { add(a, b, c, d, query + 5 &* stride, &s5) }
        k &+= 16
    }
    if let rows = job.row_tails, let query = job.query_tails {
        let a = f32x16_load(rows), b = f32x16_load(rows + 16)
        let c = f32x16_load(rows + 32), d = f32x16_load(rows + 48)
        add(a, b, c, d, query, &s0)
        if heads > 1 { add(a, b, c, d, query + 16, &s1) }
        if heads > 2 { add(a, b, c, d, query + 32, &s2) }
        if heads > 3 { add(a, b, c, d, query + 48, &s3) }
        if heads > 4 { add(a, b, c, d, query + 64, &s4) }
        if heads > 5 { add(a, b, c, d, query + 80, &s5) }
    }
    let y = job.y, step = job.y_stride
    s0.store(y, rows: job.rows)
    if heads > 1 { s1.store(y + step, rows: job.rows) }
    if heads > 2 { s2.store(y + 2 &* step, rows: job.rows) }
    if heads > 3 { s3.store(y + 3 &* step, rows: job.rows) }
    if heads > 4 { s4.store(y + 4 &* step, rows: job.rows) }
    if heads > 5 { s5.store(y + 5 &* step, rows: job.rows) }
}

@c @implementation
func row_tile1_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 1) }
@c @implementation
func row_tile2_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 2) }
@c @implementation
func row_tile3_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 3) }
@c @implementation
func row_tile4_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 4) }
@c @implementation
func row_tile5_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 5) }
@c @implementation
func row_tile6_wide(_ job: UnsafePointer<row_tile>) { wideRows(job.pointee, 6) }

/// The lanes from `half` on of up to 3 heads by four rows.
@inline(__always)
private func halfRows(_ job: row_tile, _ half: Int, _ heads: Int) -> HalfTile {
    var tile = HalfTile()
    var line = job.asked_before
    var k = half
    let end = job.groups &* 16
    if half == 0, job.asked > 0 {
        while k < end {
            askForLines(job, &line)
            tile.add(rows(job, k), job.query + k, job.query_stride, heads)
            k &+= 16
        }
    } else {
        while k < end {
            tile.add(rows(job, k), job.query + k, job.query_stride, heads)
            k &+= 16
        }
    }
    if let tails = job.row_tails, let query = job.query_tails {
        tile.add(halves(tails + half, step: 16), query + half, 16, heads)
    }
    return tile
}

/// Eight elements of each of the job's rows, from `k` on.
@inline(__always)
private func rows(_ job: row_tile, _ k: Int) -> FourHalves {
    (f32x8_load(job.a + k), f32x8_load(job.b + k), f32x8_load(job.c + k), f32x8_load(job.d + k))
}

/// Four rows by `heads` heads, a literal from 1 to 3.
@inline(__always)
private func narrowRows(_ job: row_tile, _ heads: Int) {
    inHalves { halfRows(job, $0, heads) }.store(job.y, job.y_stride, job.rows, heads)
}

@c @implementation
func row_tile1_baseline(_ job: UnsafePointer<row_tile>) { narrowRows(job.pointee, 1) }
@c @implementation
func row_tile2_baseline(_ job: UnsafePointer<row_tile>) { narrowRows(job.pointee, 2) }
@c @implementation
func row_tile3_baseline(_ job: UnsafePointer<row_tile>) { narrowRows(job.pointee, 3) }

/// Sums of one head over 64 columns.
private struct ColumnSums {
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
        let weight = f32x16_all(x)
        a = f32x16_multiply_add(weight, wa, a)
        b = f32x16_multiply_add(weight, wb, b)
        c = f32x16_multiply_add(weight, wc, c)
        d = f32x16_multiply_add(weight, wd, d)
    }
}

@inline(__always)
private func wideValues(_ job: value_tile, _ heads: Int) {
    var s0 = ColumnSums(), s1 = ColumnSums(), s2 = ColumnSums()
    var s3 = ColumnSums(), s4 = ColumnSums(), s5 = ColumnSums()
    let y = job.y, step = job.y_stride, stride = job.x_stride
    if job.first == 0 {
        s0.load(y)
        if heads > 1 { s1.load(y + step) }
        if heads > 2 { s2.load(y + 2 &* step) }
        if heads > 3 { s3.load(y + 3 &* step) }
        if heads > 4 { s4.load(y + 4 &* step) }
        if heads > 5 { s5.load(y + 5 &* step) }
    }
    var x = job.x
    var j = 0
    while j < job.count {
        let row = job.rows[j] + job.column
        let a = f32x16_load(row), b = f32x16_load(row + 16)
        let c = f32x16_load(row + 32), d = f32x16_load(row + 48)
        s0.add(x[0], a, b, c, d)
        if heads > 1 { s1.add(x[stride], a, b, c, d) }
        if heads > 2 { s2.add(x[2 &* stride], a, b, c, d) }
        if heads > 3 { s3.add(x[3 &* stride], a, b, c, d) }
        if heads > 4 { s4.add(x[4 &* stride], a, b, c, d) }
        if heads > 5 { s5.add(x[5 &* stride], a, b, c, d) }
        x += 1
        j &+= 1
    }
    s0.save(y)
    if heads > 1 { s1.save(y + step) }
    if heads > 2 { s2.save(y + 2 &* step) }
    if heads > 3 { s3.save(y + 3 &* step) }
    if heads > 4 { s4.save(y + 4 &* step) }
    if heads > 5 { s5.save(y + 5 &* step) }
}

@c @implementation
func value_tile1_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 1) }
@c @implementation
func value_tile2_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 2) }
@c @implementation
func value_tile3_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 3) }
@c @implementation
func value_tile4_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 4) }
@c @implementation
func value_tile5_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 5) }
@c @implementation
func value_tile6_wide(_ job: UnsafePointer<value_tile>) { wideValues(job.pointee, 6) }

/// Asks for this tile's share of what is read next of row `j`.
@inline(__always)
private func askForColumns(_ job: value_tile, _ j: Int) {
    let line = job.next[j] + (job.next_column &+ job.asked_before &* 16)
    prefetch_near(line)
    if job.asked > 1 { prefetch_near(line + 16) }
    if job.asked > 2 { prefetch_near(line + 32) }
    if job.asked > 3 { prefetch_near(line + 48) }
}

/// The 32 columns from `column` of the job's 64 on, of up to 3 heads.
@inline(__always)
private func halfValues(_ job: value_tile, _ column: Int, _ heads: Int) {
    var tile = HalfTile()
    let y = job.y + column
    if job.first == 0 { tile.load(y, step: 8, job.y_stride, heads) }
    var x = job.x
    var j = 0
    if column == 0, job.asked > 0 {
        while j < job.count {
            askForColumns(job, j)
            tile.add(halves(job.rows[j] + (job.column &+ column), step: 8), all: x, job.x_stride, heads)
            x += 1
            j &+= 1
        }
    } else {
        while j < job.count {
            tile.add(halves(job.rows[j] + (job.column &+ column), step: 8), all: x, job.x_stride, heads)
            x += 1
            j &+= 1
        }
    }
    tile.save(y, step: 8, job.y_stride, heads)
}

@inline(__always)
private func narrowValues(_ job: value_tile, _ heads: Int) {
    var column = 0
    while column < 64 {
        halfValues(job, column, heads)
        column &+= 32
    }
}

@c @implementation
func value_tile1_baseline(_ job: UnsafePointer<value_tile>) { narrowValues(job.pointee, 1) }
@c @implementation
func value_tile2_baseline(_ job: UnsafePointer<value_tile>) { narrowValues(job.pointee, 2) }
@c @implementation
func value_tile3_baseline(_ job: UnsafePointer<value_tile>) { narrowValues(job.pointee, 3) }

extension Kernels {
    /// `heads`, 1 to `tileWidth`, by up to four rows.
    @inline(never)
    func runRowTile(_ job: UnsafePointer<row_tile>, heads: Int) {
        switch (vectors, heads) {
        case (.avx512, 6): row_tile6_avx512(job)
        case (.avx512, 5): row_tile5_avx512(job)
        case (.avx512, 4): row_tile4_avx512(job)
        case (.avx512, 3): row_tile3_avx512(job)
        case (.avx512, 2): row_tile2_avx512(job)
        case (.avx512, _): row_tile1_avx512(job)
        case (.avx2, 3): row_tile3_avx2(job)
        case (.avx2, 2): row_tile2_avx2(job)
        case (.avx2, _): row_tile1_avx2(job)
        case (.baseline, 3): row_tile3_baseline(job)
        case (.baseline, 2): row_tile2_baseline(job)
        case (.baseline, _): row_tile1_baseline(job)
        }
    }

    /// `heads`, 1 to `tileWidth`, over 64 columns.
    @inline(never)
    func runValueTile(_ job: UnsafePointer<value_tile>, heads: Int) {
        switch (vectors, heads) {
        case (.avx512, 6): value_tile6_avx512(job)
        case (.avx512, 5): value_tile5_avx512(job)
        case (.avx512, 4): value_tile4_avx512(job)
        case (.avx512, 3): value_tile3_avx512(job)
        case (.avx512, 2): value_tile2_avx512(job)
        case (.avx512, _): value_tile1_avx512(job)
        case (.avx2, 3): value_tile3_avx2(job)
        case (.avx2, 2): value_tile2_avx2(job)
        case (.avx2, _): value_tile1_avx2(job)
        case (.baseline, 3): value_tile3_baseline(job)
        case (.baseline, 2): value_tile2_baseline(job)
        case (.baseline, _): value_tile1_baseline(job)
        }
    }
}
