import CVector

// Memory read for its own sake, as the vector products read their weights: the yardstick of benchmarks.

/// Four streams, a quarter of the lines apart: a single one keeps too few requests under way.
@c @implementation
func read_lines_baseline(
    _ lines: UnsafeRawPointer, _ count: Int, _ ahead: Int, _ cache: Int32, _ sum: UnsafeMutablePointer<Int32>
) {
    let quarter = count &* 16
    var a = i32x16_all(0), b = i32x16_all(0), c = i32x16_all(0), d = i32x16_all(0)
    var p = lines
    let end = lines + quarter
    while p < end {
        if ahead != 0 {
            let q = p + ahead
            askForWeights(q, q + quarter, q + 2 &* quarter, q + 3 &* quarter, cache: cache)
        }
        a = i32x16_add(a, i32x16_load(p))
        b = i32x16_add(b, i32x16_load(p + quarter))
        c = i32x16_add(c, i32x16_load(p + 2 &* quarter))
        d = i32x16_add(d, i32x16_load(p + 3 &* quarter))
        p += 64
    }
    sum.pointee = i32x16_total(i32x16_add(i32x16_add(a, b), i32x16_add(c, d)))
}

extension Kernels {
    /// Reads `bytes` (a multiple of 256) in four streams and returns the sum of their 32-bit words, which wraps.
    ///
    /// - Parameter way: how lines are asked for; without it that is left to the processor.
    @inline(never)
    package func read(_ lines: UnsafeRawPointer, bytes: Int, _ way: FetchWay?) -> Int32 {
        precondition(bytes % 256 == 0, "\(bytes) bytes")
        let ahead = way?.distance ?? 0, cache = cache(way ?? .far)
        var sum: Int32 = 0
        switch vectors {
        case .avx512: read_lines_avx512(lines, bytes / 64, ahead, cache, &sum)
        case .avx2: read_lines_avx2(lines, bytes / 64, ahead, cache, &sum)
        case .baseline: read_lines_baseline(lines, bytes / 64, ahead, cache, &sum)
        }
        return sum
    }
}
