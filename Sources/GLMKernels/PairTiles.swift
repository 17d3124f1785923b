import CVector

// Weights and activations in BF16, sums in Float32. A tile runs along k in groups of 32, one accumulator of 16
// lanes per output: lane i takes element 2i + 1 of a group, then element 2i.

extension FourSums {
    @inline(__always)
    fileprivate func store(_ y: UnsafeMutablePointer<Float>, _ rows: Int, _ rounded: Bool) {
        var sums = f32x16_sum4(a, b, c, d)
        if rounded { sums = f32x4_round_bf16(sums) }
        if rows >= 4 { return f32x4_store(y, sums) }
        y[0] = sums[0]
        if rows > 1 { y[1] = sums[1] }
        if rows > 2 { y[2] = sums[2] }
    }

    /// One group: by the instruction, or by two multiplications.
    @inline(__always)
    fileprivate mutating func add(_ dot: Bool, _ w: UnsafeRawPointer, _ step: Int, _ x: UnsafeRawPointer) {
        if dot { dot_bf16_pairs(&self, w, step, x) } else { add_bf16_pairs(&self, w, step, x) }
    }
}

/// One tile: `tokens` and `dot` are literals at every use, so the branches vanish.
@inline(__always)
private func pairTile(_ job: pair_tile, _ tokens: Int, _ dot: Bool) {
    var t0 = FourSums(), t1 = FourSums(), t2 = FourSums(), t3 = FourSums(), t4 = FourSums(), t5 = FourSums()
    if job.first == 0 {
        t0.load(job.sums)
        if tokens > 1 { t1.load(job.sums + 64) }
        if tokens > 2 { t2.load(job.sums + 128) }
        if tokens > 3 { t3.load(job.sums + 192) }
        if tokens > 4 { t4.load(job.sums + 256) }
        if tokens > 5 { t5.load(job.sums + 320) }
    }
    var w = job.weights, x = job.x
    let step = job.row_bytes
    var left = job.groups
    while left > 0 {
        if job.ahead != 0 {
            let ahead = w + job.ahead
            prefetch(ahead)
            prefetch(ahead + step)
            prefetch(ahead + 2 &* step)
            prefetch(ahead + 3 &* step)
        }
        t0.add(dot, w, step, x)
        if tokens > 1 { t1.add(dot, w, step, x + 64) }
        if tokens > 2 { t2.add(dot, w, step, x + 128) }
        if tokens > 3 { t3.add(dot, w, step, x + 192) }
        if tokens > 4 { t4.add(dot, w, step, x + 256) }
        if tokens > 5 { t5.add(dot, w, step, x + 320) }
        w += job.group_bytes
        x += tokens &* 64
        left &-= 1
    }
    if job.last == 0 {
        t0.save(job.sums)
        if tokens > 1 { t1.save(job.sums + 64) }
        if tokens > 2 { t2.save(job.sums + 128) }
        if tokens > 3 { t3.save(job.sums + 192) }
        if tokens > 4 { t4.save(job.sums + 256) }
        if tokens > 5 { t5.save(job.sums + 320) }
    } else {
        let y = job.y, stride = job.y_stride, rounded = job.rounded != 0
        t0.store(y, job.rows, rounded)
        if tokens > 1 { t1.store(y + stride, job.rows, rounded) }
        if tokens > 2 { t2.store(y + 2 &* stride, job.rows, rounded) }
        if tokens > 3 { t3.store(y + 3 &* stride, job.rows, rounded) }
        if tokens > 4 { t4.store(y + 4 &* stride, job.rows, rounded) }
        if tokens > 5 { t5.store(y + 5 &* stride, job.rows, rounded) }
    }
}

@c @implementation
func pair_tile1_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 1, false) }
@c @implementation
func pair_tile2_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 2, false) }
@c @implementation
func pair_tile3_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 3, false) }
@c @implementation
func pair_tile4_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 4, false) }
@c @implementation
func pair_tile5_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 5, false) }
@c @implementation
func pair_tile6_baseline(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 6, false) }

@c @implementation
func pair_tile1_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 1, true) }
@c @implementation
func pair_tile2_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 2, true) }
@c @implementation
func pair_tile3_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 3, true) }
@c @implementation
func pair_tile4_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 4, true) }
@c @implementation
func pair_tile5_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 5, true) }
@c @implementation
func pair_tile6_dot(_ job: UnsafePointer<pair_tile>) { pairTile(job.pointee, 6, true) }

extension Kernels {
    /// Whether products of BF16 pairs are one instruction here (AVX512_BF16, at the level that has it).
    public var hasBFloat16Products: Bool { vectors == .avx512 && cpu_multiplies_bf16() != 0 }

    /// One tile of 1 to 6 tokens.
    @inline(never)
    func runPairTile(_ job: UnsafePointer<pair_tile>, tokens: Int, dot: Bool) {
        if dot { return runDotTile(job, tokens: tokens) }
        switch vectors {
        case .avx512:
            switch tokens {
            case 1: pair_tile1_avx512(job)
            case 2: pair_tile2_avx512(job)
            case 3: pair_tile3_avx512(job)
            case 4: pair_tile4_avx512(job)
            case 5: pair_tile5_avx512(job)
            default: pair_tile6_avx512(job)
            }
        case .avx2:
            switch tokens {
            case 1: pair_tile1_avx2(job)
            case 2: pair_tile2_avx2(job)
            case 3: pair_tile3_avx2(job)
            case 4: pair_tile4_avx2(job)
            case 5: pair_tile5_avx2(job)
            default: pair_tile6_avx2(job)
            }
        case .baseline:
            switch tokens {
            case 1: pair_tile1_baseline(job)
            case 2: pair_tile2_baseline(job)
            case 3: pair_tile3_baseline(job)
            case 4: pair_tile4_baseline(job)
            case 5: pair_tile5_baseline(job)
            default: pair_tile6_baseline(job)
            }
        }
    }

    @inline(never)
    private func runDotTile(_ job: UnsafePointer<pair_tile>, tokens: Int) {
        switch tokens {
        case 1: pair_tile1_bf16(job)
        case 2: pair_tile2_bf16(job)
        case 3: pair_tile3_bf16(job)
        case 4: pair_tile4_bf16(job)
        case 5: pair_tile5_bf16(job)
        default: pair_tile6_bf16(job)
        }
    }
}
