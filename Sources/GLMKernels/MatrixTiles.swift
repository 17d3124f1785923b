import CVector

// Products of BF16 on matrix registers: up to 32 rows of weights by up to 32 tokens, along all columns.

/// `rows`, `tokens` and `parts` are literals at every use; the first two count tiles of 16.
@inline(__always)
private func matrixProduct(_ job: matrix_product, rows: Int32, tokens: Int32, parts: Int32) {
    let pairBytes = job.pair_bytes
    let groupBytes = pairBytes &* 16 &* Int(parts)
    var w = job.weights, first = job.first, second = job.second, ahead = job.ahead
    matrix_zero(rows, tokens)
    var group = 0
    while group < job.groups {
        request(&ahead)
        matrix_multiply(rows, tokens, parts, w, job.row_bytes, first, second, pairBytes)
        w += job.group_bytes
        first += groupBytes
        second += groupBytes
        group &+= 1
    }
    if let rest = job.rest { matrix_multiply(rows, tokens, parts, rest, 64, first, second, pairBytes) }
    matrix_store(rows, tokens, job.sums)
    var tile: Int32 = 0
    while tile < rows {
        let low = Int(tile) &* 16
        let count = min(16, job.rows &- low)
        store(job, job.sums + Int(tile) &* 512, row: low, rows: count, token: 0, tokens: job.first_tokens)
        if tokens > 1 {
            store(
                job, job.sums + (Int(tile) &* 512 &+ 256), row: low, rows: count, token: job.first_tokens,
                tokens: job.second_tokens)
        }
        tile &+= 1
    }
}

/// Asks for what belongs to one group, and goes on to the next.
@inline(__always)
private func request(_ ahead: inout matrix_request) {
    guard let from = ahead.from else { return }
    var stretch = from
    var count = ahead.count
    while count > 0 {
        var line = stretch
        var lines = ahead.lines
        while lines > 0 {
            prefetch(line)
            line += 64
            lines &-= 1
        }
        stretch += ahead.stride
        count &-= 1
    }
    ahead.from = from + ahead.step_bytes
}

/// Sums of one tile, [row][token], to where they belong.
@inline(__always)
private func store(
    _ job: matrix_product, _ sums: UnsafeMutablePointer<Float>, row: Int, rows: Int, token: Int, tokens: Int
) {
    transpose_16x16(sums)
    var to = job.y + (token &* job.y_stride &+ row)
    var from = sums
    var left = tokens
    while left > 0 {
        var sum = f32x16_load(from)
        // Exact sums lose the sign of a zero: with parts side by side they do.
        sum = job.rounded != 0 ? f32x16_round_bf16(sum) : f32x16_add(sum, f32x16_all(0))
        if rows == 16 { f32x16_store(to, sum) } else { f32x16_store_first(to, sum, rows) }
        to += job.y_stride
        from += 16
        left &-= 1
    }
}

@c @implementation
func matrix_product_1x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 1, parts: 1)
}
@c @implementation
func matrix_product_1x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 2, parts: 1)
}
@c @implementation
func matrix_product_2x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 1, parts: 1)
}
@c @implementation
func matrix_product_2x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 2, parts: 1)
}
@c @implementation
func matrix_product_exact_1x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 1, parts: 3)
}
@c @implementation
func matrix_product_exact_1x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 2, parts: 3)
}
@c @implementation
func matrix_product_exact_2x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 1, parts: 3)
}
@c @implementation
func matrix_product_exact_2x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 2, parts: 3)
}

// The thunks are called from this file alone: they take in the loops of their own file only.
extension Kernels {
    @inline(never)
    func runMatrixProduct(_ job: UnsafePointer<matrix_product>, isExact: Bool) {
        switch (isExact, job.pointee.rows > 16, job.pointee.second_tokens > 0) {
        case (false, false, false): matrix_product_1x1_amx(job)
        case (false, false, true): matrix_product_1x2_amx(job)
        case (false, true, false): matrix_product_2x1_amx(job)
        case (false, true, true): matrix_product_2x2_amx(job)
        case (true, false, false): matrix_product_exact_1x1_amx(job)
        case (true, false, true): matrix_product_exact_1x2_amx(job)
        case (true, true, false): matrix_product_exact_2x1_amx(job)
        case (true, true, true): matrix_product_exact_2x2_amx(job)
        }
    }

    @inline(never)
    func configureMatrices(_ shapes: UnsafePointer<matrix_shapes>) { matrix_configure_amx(shapes) }

    @inline(never)
    func releaseMatrices() { matrix_release_amx() }
}
