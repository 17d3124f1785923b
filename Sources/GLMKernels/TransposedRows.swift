import CVector

// One to four tokens against the rows of stored weights, transposed: the rows stream by once, and each weight that was
// loaded, or decoded, meets all tokens.

/// y[t, c] = x[t, r0] · w[r0, c] + y[t, c], then r0 + 1, … for the four rows at `row`; fewer at the end. The scale of
/// FP8 codes, times 2⁹⁶, enters x.
///
/// y is the accumulator: it stays in the nearest cache, and the weights stream by once.
@inline(__always)
private func transposedBody(_ format: Int32, _ size: Int, _ tokens: Int, _ job: transposed_rows) {
    let rows = job.rows
    var row = 0
    while row < rows.rows {
        let w = FourRows(rows, row, step: 1, size)
        var c = 0
        var cursor = ScaleCursor(format == 2 ? rows.scales : nil, block: rows.block, phase: rows.phase)
        while c < rows.columns {
            let x = TokenFours(format, tokens, job, row, cursor)
            let end = cursor.end(c, rows.columns)
            while c &+ 16 <= end {
                let offset = c &* size
                if offset & 63 < 16 &* size { w.prefetchNeighbours(offset) }
                x.add(FourWeights(format, w, offset), tokens, job, c)
                c &+= 16
            }
            // Only the last block ends inside a group of 16.
            if c < end { x.addTail(FourWeights(format, w, c &* size, first: end &- c), tokens, job, c) }
            c = end
        }
        row &+= 4
    }
}

/// 16 columns of four rows.
private struct FourWeights {
    let a, b, c, d: f32x16

    @inline(__always)
    init(_ format: Int32, _ w: FourRows, _ offset: Int) {
        a = f32x16_load_weights(w.a + offset, format)
        b = f32x16_load_weights(w.b + offset, format)
        c = f32x16_load_weights(w.c + offset, format)
        d = f32x16_load_weights(w.d + offset, format)
    }

    /// The first 1 to 15 columns.
    @inline(__always)
    init(_ format: Int32, _ w: FourRows, _ offset: Int, first count: Int) {
        a = f32x16_load_weights_first(w.a + offset, format, count)
        b = f32x16_load_weights_first(w.b + offset, format, count)
        c = f32x16_load_weights_first(w.c + offset, format, count)
        d = f32x16_load_weights_first(w.d + offset, format, count)
    }
}

/// Up to four elements of one token, each in all lanes.
private struct FourElements {
    private let a, b, c, d: f32x16
    private let count: Int

    @inline(__always)
    init(_ x: UnsafePointer<Float>, _ count: Int) {
        self.count = count
        a = f32x16_all(x[0])
        b = f32x16_all(count > 1 ? x[1] : 0)
        c = f32x16_all(count > 2 ? x[2] : 0)
        d = f32x16_all(count > 3 ? x[3] : 0)
    }

    @inline(__always)
    init(_ x: UnsafePointer<Float>, _ count: Int, scale: f32x16) {
        self.count = count
        a = f32x16_multiply(f32x16_all(x[0]), scale)
        b = f32x16_multiply(f32x16_all(count > 1 ? x[1] : 0), scale)
        c = f32x16_multiply(f32x16_all(count > 2 ? x[2] : 0), scale)
        d = f32x16_multiply(f32x16_all(count > 3 ? x[3] : 0), scale)
    }

    @inline(__always)
    func product(_ w: FourWeights, _ y: f32x16) -> f32x16 {
        var sum = f32x16_multiply_add(a, w.a, y)
        if count > 1 { sum = f32x16_multiply_add(b, w.b, sum) }
        if count > 2 { sum = f32x16_multiply_add(c, w.c, sum) }
        if count > 3 { sum = f32x16_multiply_add(d, w.d, sum) }
        return sum
    }
}

/// The elements of up to four tokens that meet the same four rows; of those beyond the last, nothing is used.
private struct TokenFours {
    private let a, b, c, d: FourElements

    @inline(__always)
    init(_ format: Int32, _ tokens: Int, _ job: transposed_rows, _ row: Int, _ cursor: ScaleCursor) {
        let count = job.rows.rows &- row
        func elements(_ token: Int) -> FourElements {
            let x = job.rows.x + (token &* job.x_stride &+ row)
            return format == 2 ? FourElements(x, count, scale: cursor.codeScale) : FourElements(x, count)
        }
        a = elements(0)
        b = tokens > 1 ? elements(1) : a
        c = tokens > 2 ? elements(2) : a
        d = tokens > 3 ? elements(3) : a
    }

    /// All sums are read before one is written: tokens are often a multiple of 4096 bytes apart, and a read waits for a
    /// write before it with the same last 12 bits.
    @inline(__always)
    func add(_ w: FourWeights, _ tokens: Int, _ job: transposed_rows, _ column: Int) {
        let y = job.rows.y + column
        let second = tokens > 1 ? y + job.y_stride : y
        let third = tokens > 2 ? y + 2 &* job.y_stride : y
        let fourth = tokens > 3 ? y + 3 &* job.y_stride : y
        var sums = (f32x16_load(y), f32x16_load(second), f32x16_load(third), f32x16_load(fourth))
        sums.0 = a.product(w, sums.0)
        if tokens > 1 { sums.1 = b.product(w, sums.1) }
        if tokens > 2 { sums.2 = c.product(w, sums.2) }
        if tokens > 3 { sums.3 = d.product(w, sums.3) }
        f32x16_store(y, sums.0)
        if tokens > 1 { f32x16_store(second, sums.1) }
        if tokens > 2 { f32x16_store(third, sums.2) }
        if tokens > 3 { f32x16_store(fourth, sums.3) }
    }

    /// The last 1 to 15 columns.
    @inline(__always)
    func addTail(_ w: FourWeights, _ tokens: Int, _ job: transposed_rows, _ column: Int) {
        let rest = job.rows.columns &- column
        let y = job.rows.y + column
        func tail(_ x: FourElements, _ y: UnsafeMutablePointer<Float>) {
            f32x16_store_first(y, x.product(w, f32x16_load_first(y, rest)), rest)
        }
        tail(a, y)
        if tokens > 1 { tail(b, y + job.y_stride) }
        if tokens > 2 { tail(c, y + 2 &* job.y_stride) }
        if tokens > 3 { tail(d, y + 3 &* job.y_stride) }
    }
}

@c @implementation
func transposed1_f32_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(0, 4, 1, job.pointee) }
@c @implementation
func transposed1_bf16_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(1, 2, 1, job.pointee) }
@c @implementation
func transposed1_fp8_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(2, 1, 1, job.pointee) }
@c @implementation
func transposed2_f32_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(0, 4, 2, job.pointee) }
@c @implementation
func transposed2_bf16_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(1, 2, 2, job.pointee) }
@c @implementation
func transposed2_fp8_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(2, 1, 2, job.pointee) }
@c @implementation
func transposed3_f32_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(0, 4, 3, job.pointee) }
@c @implementation
func transposed3_bf16_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(1, 2, 3, job.pointee) }
@c @implementation
func transposed3_fp8_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(2, 1, 3, job.pointee) }
@c @implementation
func transposed4_f32_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(0, 4, 4, job.pointee) }
@c @implementation
func transposed4_bf16_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(1, 2, 4, job.pointee) }
@c @implementation
func transposed4_fp8_baseline(_ job: UnsafePointer<transposed_rows>) { transposedBody(2, 1, 4, job.pointee) }

extension Kernels {
    /// - Parameter tokens: 1 to 4.
    @inline(never)
    func transposedRows(_ format: WeightView.Format, _ tokens: Int, _ job: UnsafePointer<transposed_rows>) {
        switch format {
        case .float32: transposedF32(tokens, job)
        case .bfloat16: transposedBf16(tokens, job)
        case .float8E4M3: transposedFp8(tokens, job)
        }
    }

    private func transposedF32(_ tokens: Int, _ job: UnsafePointer<transposed_rows>) {
        switch (vectors, tokens) {
        case (.avx512, 1): transposed1_f32_avx512(job)
        case (.avx512, 2): transposed2_f32_avx512(job)
        case (.avx512, 3): transposed3_f32_avx512(job)
        case (.avx512, _): transposed4_f32_avx512(job)
        case (.avx2, 1): transposed1_f32_avx2(job)
        case (.avx2, 2): transposed2_f32_avx2(job)
        case (.avx2, 3): transposed3_f32_avx2(job)
        case (.avx2, _): transposed4_f32_avx2(job)
        case (.baseline, 1): transposed1_f32_baseline(job)
        case (.baseline, 2): transposed2_f32_baseline(job)
        case (.baseline, 3): transposed3_f32_baseline(job)
        case (.baseline, _): transposed4_f32_baseline(job)
        }
    }

    private func transposedBf16(_ tokens: Int, _ job: UnsafePointer<transposed_rows>) {
        switch (vectors, tokens) {
        case (.avx512, 1): transposed1_bf16_avx512(job)
        case (.avx512, 2): transposed2_bf16_avx512(job)
        case (.avx512, 3): transposed3_bf16_avx512(job)
        case (.avx512, _): transposed4_bf16_avx512(job)
        case (.avx2, 1): transposed1_bf16_avx2(job)
        case (.avx2, 2): transposed2_bf16_avx2(job)
        case (.avx2, 3): transposed3_bf16_avx2(job)
        case (.avx2, _): transposed4_bf16_avx2(job)
        case (.baseline, 1): transposed1_bf16_baseline(job)
        case (.baseline, 2): transposed2_bf16_baseline(job)
        case (.baseline, 3): transposed3_bf16_baseline(job)
        case (.baseline, _): transposed4_bf16_baseline(job)
        }
    }

    private func transposedFp8(_ tokens: Int, _ job: UnsafePointer<transposed_rows>) {
        switch (vectors, tokens) {
        case (.avx512, 1): transposed1_fp8_avx512(job)
        case (.avx512, 2): transposed2_fp8_avx512(job)
        case (.avx512, 3): transposed3_fp8_avx512(job)
        case (.avx512, _): transposed4_fp8_avx512(job)
        case (.avx2, 1): transposed1_fp8_avx2(job)
        case (.avx2, 2): transposed2_fp8_avx2(job)
        case (.avx2, 3): transposed3_fp8_avx2(job)
        case (.avx2, _): transposed4_fp8_avx2(job)
        case (.baseline, 1): transposed1_fp8_baseline(job)
        case (.baseline, 2): transposed2_fp8_baseline(job)
        case (.baseline, 3): transposed3_fp8_baseline(job)
        case (.baseline, _): transposed4_fp8_baseline(job)
        }
    }
}
