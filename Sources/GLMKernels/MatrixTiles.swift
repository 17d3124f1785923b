import CVector

// Products of BF16 on matrix registers: up to 32 rows of weights by up to 32 tokens, along all columns.

/// `rows`, `tokens` and `parts` are literals at every use; the first two count tiles of 16.
@inline(__always)
private func matrixProduct(_ job: matrix_product, rows: Int32, tokens: Int32, parts: Int32) {
    let pairBytes = job.tile_tokens &* 4
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
        if job.rounded != 0 { sum = f32x16_round_bf16(sum) }
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

@c @implementation
func matrix_decode_tiles(
    _ weights: UnsafeRawPointer, _ count: Int, _ scales: UnsafeRawPointer?, _ block: Int, _ phase: Int,
    _ codes: UnsafeMutableRawPointer
) {
    var cursor = ScaleCursor(scales, block: block, phase: phase)
    var to = codes
    var k = 0
    while k < count {
        let scale = cursor.scale
        let end = cursor.end(k, count)
        while k < end {
            var w: FourVectors = (f32x16_all(0), f32x16_all(0), f32x16_all(0), f32x16_all(0))
            f32x16_load_64_fp8(weights + k, &w)
            prefetch_near(weights + (k &+ 4096))
            var low = f32x16_multiply(w.0, scale), high = f32x16_multiply(w.1, scale)
            matrix_codes(to, &low, &high)
            low = f32x16_multiply(w.2, scale)
            high = f32x16_multiply(w.3, scale)
            matrix_codes(to + 64, &low, &high)
            to += 128
            k &+= 64
        }
    }
}

/// A group of 32 columns of one token, or as many as are `left`, and what its codes leave of it.
private struct TokenGroup {
    var low, high: f32x16

    @inline(__always)
    init(_ x: UnsafePointer<Float>, _ left: Int) {
        low = left >= 16 ? f32x16_load(x) : f32x16_load_first(x, left)
        high =
            left >= 32
            ? f32x16_load(x + 16) : left > 16 ? f32x16_load_first(x + 16, left &- 16) : f32x16_all(0)
    }

    @inline(__always)
    var rounded: i32x16 { bf16x32_round(low, high) }

    /// The codes of the leading bits, which are taken away.
    @inline(__always)
    mutating func cut() -> i32x16 {
        let codes = bf16x32_cut(low, high)
        low = f32x16_subtract(low, f32x16_cut_bf16(low))
        high = f32x16_subtract(high, f32x16_cut_bf16(high))
        return codes
    }
}

/// `parts` is a literal at every use. A token that is alone has no room beside it.
@inline(__always)
private func pack(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ isAlone: Bool, _ count: Int,
    _ packed: UnsafeMutableRawPointer, parts: Int
) {
    let partBytes = isAlone ? 64 : 1024
    var to = packed
    var k = 0
    while k < count {
        // Token by token, then pair by pair. What lies beyond the tokens is multiplied, but never read.
        var token = 0
        while token < tokens {
            var group = TokenGroup(x + (token &* stride &+ k), count &- k)
            let line = to + token &* 64
            i32x16_store(line, parts == 1 ? group.rounded : group.cut())
            if parts == 3 {
                i32x16_store(line + partBytes, group.cut())
                i32x16_store(line + 2 &* partBytes, group.cut())
            }
            token &+= 1
        }
        var part = 0
        while part < parts {
            if !isAlone { transpose_16x16(to) }
            to += partBytes
            part &+= 1
        }
        k &+= 32
    }
}

@c @implementation
func matrix_pack_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ alone: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer
) { pack(x, stride, tokens, alone != 0, count, packed, parts: 1) }
@c @implementation
func matrix_pack_exact_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ alone: Int, _ count: Int,
    _ packed: UnsafeMutableRawPointer
) { pack(x, stride, tokens, alone != 0, count, packed, parts: 3) }

@c @implementation
func matrix_gather_tiles(
    _ weights: UnsafeRawPointer, _ rowBytes: Int, _ rows: Int, _ count: Int, _ packed: UnsafeMutableRawPointer
) {
    var to = packed
    var k = 0
    while k < count {
        let left = count &- k
        var from = weights + k &* 2
        var row = 0
        while row < rows {
            i32x16_store(to, left >= 32 ? i32x16_load(from) : i32x16_load_first_halves(from, left))
            from += rowBytes
            to += 64
            row &+= 1
        }
        k &+= 32
    }
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

    /// One row of FP8 weights, whole lines of them, as BF16 codes.
    @inline(never)
    func decodeLines(
        _ weights: UnsafeRawPointer, _ count: Int, scales: UnsafeRawPointer, block: Int, phase: Int,
        codes: UnsafeMutableRawPointer
    ) { matrix_decode_amx(weights, count, scales, block, phase, codes) }

    /// Rows of BF16 weights as [group of 32][row][32].
    @inline(never)
    func gatherLines(
        _ weights: UnsafeRawPointer, rowBytes: Int, rows: Int, columns: Int,
        into packed: UnsafeMutableRawPointer
    ) { matrix_gather_amx(weights, rowBytes, rows, columns, packed) }

    /// Packs one tile of `x`, whose rows lie `stride` floats apart.
    @inline(never)
    func pack(_ x: UnsafePointer<Float>, stride: Int, tile index: Int, into packed: MatrixTokens) {
        let tile = packed.tile(index), alone = packed.tokens == 1 ? 1 : 0
        let from = x + tile.lowerBound * stride, to = packed.address(index)
        if packed.isExact {
            matrix_pack_exact_amx(from, stride, tile.count, alone, packed.columns, to)
        } else {
            matrix_pack_amx(from, stride, tile.count, alone, packed.columns, to)
        }
    }
}
