import CVector

// Weights as BF16 codes, where matrix registers find them.

/// Bytes that separate the decoded rows beyond their codes: rows a multiple of 4 KB apart would share one set of the
/// nearest cache.
private let rowGap = 64

/// Up to 32 rows as BF16 codes: where they lie, gathered group by group, or decoded.
struct MatrixRows {
    /// The most rows of one step: two tiles.
    static let most = 32

    let base: UnsafeRawPointer
    let rowBytes: Int
    let groupBytes: Int
    /// Groups of 32 columns, and the last one where it is short and they lie where they are stored.
    let groups: Int
    let rest: UnsafeRawPointer?

    /// Floats of memory that rows of `w` may need.
    static func floats(_ w: WeightView, _ isGathered: Bool) -> Int {
        let groups = (w.columns + 31) / 32
        return switch w.format {
        case .bfloat16: isGathered ? most * groups * 16 : w.columns % 32 == 0 ? 0 : most * 16
        default: most * (decodedBytes(w) / 4) + groups * 32
        }
    }

    /// Bytes from one decoded row to the next.
    private static func decodedBytes(_ w: WeightView) -> Int { (w.columns + 31) / 32 * 64 + rowGap }

    init(
        _ w: WeightView, _ rows: Range<Int>, _ isGathered: Bool, memory: UnsafeMutablePointer<Float>,
        by kernels: Kernels
    ) {
        let store = UnsafeMutableRawPointer(memory)
        let stored = w.base + rows.lowerBound * w.rowStride * w.format.size
        if w.format == .bfloat16 && !isGathered {
            base = stored
            rowBytes = w.rowStride * 2
            groupBytes = 64
            groups = w.columns / 32
            let left = w.columns % 32
            guard left > 0 else {
                rest = nil
                return
            }
            store.initializeMemory(as: UInt8.self, repeating: 0, count: rows.count * 64)
            for row in 0..<rows.count {
                (store + row * 64).copyMemory(from: base + row * rowBytes + groups * 64, byteCount: left * 2)
            }
            rest = UnsafeRawPointer(store)
            return
        }
        base = UnsafeRawPointer(store)
        groups = (w.columns + 31) / 32
        rest = nil
        if w.format == .bfloat16 {
            rowBytes = 64
            groupBytes = rows.count * 64
            kernels.gatherLines(
                stored, rowBytes: w.rowStride * 2, rows: rows.count, columns: w.columns, into: store)
            return
        }
        rowBytes = MatrixRows.decodedBytes(w)
        groupBytes = 64
        let floats = (store + MatrixRows.most * rowBytes).assumingMemoryBound(to: Float.self)
        for (index, row) in rows.enumerated() {
            kernels.decodeToBFloat16(w, row: row, codes: store + index * rowBytes, floats: floats)
        }
    }
}

extension Kernels {
    /// One row of FP8 weights as BF16 codes, the last group of 32 filled with zeros.
    fileprivate func decodeToBFloat16(
        _ w: WeightView, row: Int, codes: UnsafeMutableRawPointer, floats: UnsafeMutablePointer<Float>
    ) {
        guard let scales = w.scales, w.hasWholeLines, scales.hasWholeLines,
            scales.areNormal(row: row, columns: w.columns)
        else {
            decode(w, row: row, columns: 0..<w.columns, into: floats, stride: 16)
            return packBFloat16(
                floats, stride: 0, tokens: 1, count: w.columns, packed: codes, groupStride: 64)
        }
        decodeLines(
            w.base + row * w.rowStride, w.columns, scales: scales.address(row: row, column: 0),
            block: scales.blockColumns, phase: scales.columnOrigin % scales.blockColumns, codes: codes)
    }
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
}
