import CVector

// Products of BF16 on matrix registers: up to 32 rows of weights by up to 32 tokens, along all columns.

/// `rows` and `tokens` count tiles of 16 and are literals at every use.
@inline(__always)
private func matrixProduct(_ job: matrix_product, rows: Int32, tokens: Int32) {
    let firstBytes = job.first_tokens &* 4, secondBytes = job.second_tokens &* 4
    var w = job.weights, first = job.first, second = job.second
    matrix_zero(rows, tokens)
    var group = 0
    while group < job.groups {
        if job.ahead != 0 {
            var line = w + job.ahead
            var row = 0
            while row < job.rows {
                prefetch(line)
                line += job.row_bytes
                row &+= 1
            }
        }
        matrix_multiply(rows, tokens, w, job.row_bytes, first, firstBytes, second, secondBytes)
        w += 64
        first += firstBytes &* 16
        second += secondBytes &* 16
        group &+= 1
    }
    if let rest = job.rest {
        matrix_multiply(rows, tokens, rest, 64, first, firstBytes, second, secondBytes)
    }
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

/// Sums of one tile, [row][token], to where they belong, rounded to BF16.
@inline(__always)
private func store(
    _ job: matrix_product, _ sums: UnsafeMutablePointer<Float>, row: Int, rows: Int, token: Int, tokens: Int
) {
    transpose_16x16(sums)
    var to = job.y + (token &* job.y_stride &+ row)
    var from = sums
    var left = tokens
    while left > 0 {
        let rounded = f32x16_round_bf16(f32x16_load(from))
        if rows == 16 { f32x16_store(to, rounded) } else { f32x16_store_first(to, rounded, rows) }
        to += job.y_stride
        from += 16
        left &-= 1
    }
}

@c @implementation
func matrix_product_1x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 1)
}
@c @implementation
func matrix_product_1x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 1, tokens: 2)
}
@c @implementation
func matrix_product_2x1_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 1)
}
@c @implementation
func matrix_product_2x2_tiles(_ job: UnsafePointer<matrix_product>) {
    matrixProduct(job.pointee, rows: 2, tokens: 2)
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

@c @implementation
func matrix_pack_tiles(
    _ x: UnsafePointer<Float>, _ stride: Int, _ tokens: Int, _ count: Int, _ lines: UnsafeMutableRawPointer,
    _ packed: UnsafeMutableRawPointer
) {
    var to = packed
    var k = 0
    while k < count {
        // The codes of a group token by token, then pair by pair. One token has no other order.
        let lines = tokens == 1 ? to : lines
        let left = min(32, count &- k)
        var token = 0
        while token < tokens {
            let from = x + (token &* stride &+ k), line = lines + token &* 64
            if left == 32 {
                bf16x16_store(line, f32x16_load(from))
                bf16x16_store(line + 32, f32x16_load(from + 16))
            } else {
                bf16x16_store(line, left >= 16 ? f32x16_load(from) : f32x16_load_first(from, left))
                let rest = left > 16 ? f32x16_load_first(from + 16, left &- 16) : f32x16_all(0)
                bf16x16_store(line + 32, rest)
            }
            token &+= 1
        }
        if tokens > 1 {
            transpose_16x16(lines)
            var pair = 0
            while pair < 16 {
                // The next pair writes over what is too much.
                i32x16_store(to + pair &* tokens &* 4, i32x16_load(lines + pair &* 64))
                pair &+= 1
            }
        }
        to += tokens &* 64
        k &+= 32
    }
}

// The thunks are called from this file alone: they take in the loops of their own file only.
extension Kernels {
    @inline(never)
    func runMatrixProduct(_ job: UnsafePointer<matrix_product>) {
        switch (job.pointee.rows > 16, job.pointee.second_tokens > 0) {
        case (false, false): matrix_product_1x1_amx(job)
        case (false, true): matrix_product_1x2_amx(job)
        case (true, false): matrix_product_2x1_amx(job)
        case (true, true): matrix_product_2x2_amx(job)
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

    /// Packs one tile of `x`, whose rows lie `stride` floats apart.
    @inline(never)
    func pack(_ x: UnsafePointer<Float>, stride: Int, tile: Range<Int>, into packed: MatrixTokens) {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 64) { lines in
            guard let lines = lines.baseAddress else { return }
            matrix_pack_amx(
                x + tile.lowerBound * stride, stride, tile.count, packed.columns, lines, packed.address(tile))
        }
    }
}
