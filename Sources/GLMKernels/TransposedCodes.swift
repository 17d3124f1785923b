import CVector

// One token against FP8 rows, transposed, lines of 64 codes side by side: their sums stay in registers while all rows that share
// scales pass.

/// y[c] = Σ_r x[r] · code[r, c] · scale, r ascending, added to what y has, for the 64 · `lines` columns from line `first` on.
/// `lines` is a literal at every use: 1 or 4.
@inline(__always)
private func lineSums(_ job: transposed_codes, _ first: Int, _ lines: Int) {
    let rows = job.rows
    // Whole rows ahead, then where the next pass begins: the next lines of these rows, or the next rows.
    let ahead = max(1, rows.ahead / rows.row_bytes) &* rows.row_bytes
    let isLastPass = first &+ lines == rows.columns / 64
    let end = rows.rows &* rows.row_bytes
    let beyond = isLastPass ? rows.distanceToNext &- first &* 64 : lines &* 64 &- end
    let y = rows.y + first &* 64
    var a = LineSums(y)
    var b = lines > 1 ? LineSums(y + 64) : LineSums(), c = lines > 1 ? LineSums(y + 128) : LineSums()
    var d = lines > 1 ? LineSums(y + 192) : LineSums()
    let scaleA = scale(of: first, rows), scaleB = lines > 1 ? scale(of: first &+ 1, rows) : scaleA
    let scaleC = lines > 1 ? scale(of: first &+ 2, rows) : scaleA
    let scaleD = lines > 1 ? scale(of: first &+ 3, rows) : scaleA
    var w = rows.weights + first &* 64
    var row = 0
    while row < rows.rows {
        let place = row &* rows.row_bytes &+ ahead
        let next = w + (place < end ? ahead : ahead &+ beyond)
        let x = f32x16_all(rows.x[row])
        a.add(wideCodes(w), f32x16_multiply(x, scaleA))
        if lines > 1 {
            askForWeights(next, next + 64, next + 128, next + 192, cache: rows.cache)
            b.add(wideCodes(w + 64), f32x16_multiply(x, scaleB))
            c.add(wideCodes(w + 128), f32x16_multiply(x, scaleC))
            d.add(wideCodes(w + 192), f32x16_multiply(x, scaleD))
        } else {
            askForWeights(next, next, cache: rows.cache)
        }
        w += rows.row_bytes
        row &+= 1
    }
    a.store(y, isLast: job.last != 0)
    if lines > 1 {
        b.store(y + 64, isLast: job.last != 0)
        c.store(y + 128, isLast: job.last != 0)
        d.store(y + 192, isLast: job.last != 0)
    }
}

/// What the token is multiplied by for a line: the scale of its codes, times 2⁹⁶; nothing without scales.
@inline(__always)
private func scale(of line: Int, _ rows: vector_product) -> f32x16 {
    guard let scales = rows.scales else { return f32x16_all(0) }
    return f32x16_all(f32_load(scales + (line &* 64 &+ rows.phase) / rows.block &* 4) * CodeOrder.lift)
}

/// Sums of 64 columns in code order.
private struct LineSums {
    private var a = f32x16_all(0), b = f32x16_all(0), c = f32x16_all(0), d = f32x16_all(0)

    @inline(__always)
    init() {}

    @inline(__always)
    init(_ y: UnsafePointer<Float>) {
        a = f32x16_load(y)
        b = f32x16_load(y + 16)
        c = f32x16_load(y + 32)
        d = f32x16_load(y + 48)
    }

    @inline(__always)
    mutating func add(_ w: FourVectors, _ x: f32x16) {
        a = f32x16_multiply_add(x, w.0, a)
        b = f32x16_multiply_add(x, w.1, b)
        c = f32x16_multiply_add(x, w.2, c)
        d = f32x16_multiply_add(x, w.3, d)
    }

    /// In code order, or, behind the last rows, whole and in the order of the columns.
    @inline(__always)
    func store(_ y: UnsafeMutablePointer<Float>, isLast: Bool) {
        if isLast {
            let rest = f32x16_all(CodeOrder.rest)
            var sums: FourVectors = (
                f32x16_multiply(a, rest), f32x16_multiply(b, rest), f32x16_multiply(c, rest),
                f32x16_multiply(d, rest)
            )
            f32x16_collect_64(&sums, y)
        } else {
            f32x16_store(y, a)
            f32x16_store(y + 16, b)
            f32x16_store(y + 32, c)
            f32x16_store(y + 48, d)
        }
    }
}

@c @implementation
func transposed_code_lines_wide(_ job: UnsafePointer<transposed_codes>) {
    let job = job.pointee
    let lines = job.rows.columns / 64
    var line = 0
    while line &+ 4 <= lines {
        lineSums(job, line, 4)
        line &+= 4
    }
    while line < lines {
        lineSums(job, line, 1)
        line &+= 1
    }
}

extension Kernels {
    /// Whether one token meets the rows of `w` line by line.
    package func sumsLines(_ w: WeightView, tokens: Int) -> Bool {
        guard vectors == .avx512, tokens == 1, let scales = w.scales else { return false }
        return w.rows > 0 && w.hasWholeLines && scales.hasWholeLines
    }

    /// y of one token, in stretches of rows that share their scales.
    /// - Precondition: `y` is zero; see `sumsLines`.
    @inline(never)
    func transposedLines(_ w: WeightView, _ scales: BlockScales, _ rows: vector_product) {
        var job = transposed_codes(rows: rows, last: 0)
        job.rows.ahead = singleStreamDistance
        for part in scales.stretches(of: 0..<w.rows) {
            job.rows.weights = w.base + part.lowerBound * rows.row_bytes
            job.rows.rows = part.count
            job.rows.x = rows.x + part.lowerBound
            job.last = part.upperBound == w.rows ? 1 : 0
            job.rows.next = job.last != 0 ? rows.next : nil
            scales.fill(&job.rows, row: part.lowerBound, column: 0)
            transposed_code_lines_avx512(&job)
        }
    }
}
