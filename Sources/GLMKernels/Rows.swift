import CVector

// Sums, rotation and the largest element of one row.

@c @implementation
func add_row_baseline(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int, _ output: UnsafeMutablePointer<Float>
) {
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(output + i, f32x16_add(f32x16_load(x + i), f32x16_load(y + i)))
        i &+= 16
    }
    while i < count {
        output[i] = x[i] + y[i]
        i &+= 1
    }
}

extension Kernels {
    /// output = x + y.
    @inline(never)
    public func add(
        _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: add_row_avx512(x, y, count, output)
        case .avx2: add_row_avx2(x, y, count, output)
        case .baseline: add_row_baseline(x, y, count, output)
        }
    }
}

@c @implementation
func add_scaled_baseline(
    _ x: UnsafePointer<Float>, _ factor: Float, _ count: Int, _ sum: UnsafeMutablePointer<Float>
) {
    let factor = f32x16_all(factor)
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(sum + i, f32x16_multiply_add(f32x16_load(x + i), factor, f32x16_load(sum + i)))
        i &+= 16
    }
    if whole < count {
        let rest = count &- whole
        let v = f32x16_load_first(x + whole, rest), s = f32x16_load_first(sum + whole, rest)
        f32x16_store_first(sum + whole, f32x16_multiply_add(v, factor, s), rest)
    }
}

extension Kernels {
    /// sum = x · factor + sum.
    @inline(never)
    public func addScaled(
        _ x: UnsafePointer<Float>, factor: Float, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: add_scaled_avx512(x, factor, count, sum)
        case .avx2: add_scaled_avx2(x, factor, count, sum)
        case .baseline: add_scaled_baseline(x, factor, count, sum)
        }
    }
}

@c @implementation
func rotate_pairs_baseline(
    _ x: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>,
    _ pairs: Int
) {
    let whole = pairs & ~7
    var j = 0
    while j < whole {
        let rotated = f32x16_rotate_pairs(
            f32x16_load(x + 2 &* j), f32x8_load(cosines + j), f32x8_load(sines + j))
        f32x16_store(x + 2 &* j, rotated)
        j &+= 8
    }
    if whole < pairs {
        let rest = pairs &- whole
        let v = f32x16_load_first(x + 2 &* whole, 2 &* rest)
        let c = f32x8_load_first(cosines + whole, rest), s = f32x8_load_first(sines + whole, rest)
        f32x16_store_first(x + 2 &* whole, f32x16_rotate_pairs(v, c, s), 2 &* rest)
    }
}

extension Kernels {
    /// Rotates neighbours, in place: y₂ⱼ = x₂ⱼ cosⱼ − x₂ⱼ₊₁ sinⱼ and y₂ⱼ₊₁ = x₂ⱼ₊₁ cosⱼ + x₂ⱼ sinⱼ for j <
    /// `pairs`.
    @inline(never)
    public func rotateInterleaved(
        _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>,
        pairs: Int
    ) {
        switch vectors {
        case .avx512: rotate_pairs_avx512(x, cosines, sines, pairs)
        case .avx2: rotate_pairs_avx2(x, cosines, sines, pairs)
        case .baseline: rotate_pairs_baseline(x, cosines, sines, pairs)
        }
    }
}

@c @implementation
func arg_max_baseline(_ values: UnsafePointer<Float>, _ count: Int, _ position: UnsafeMutablePointer<Int>) {
    let whole = count & ~63
    var a = f32x16_all(-.infinity), b = a, c = a, d = a
    var i = 0
    while i < whole {
        a = f32x16_larger(f32x16_load(values + i), a)
        b = f32x16_larger(f32x16_load(values + (i &+ 16)), b)
        c = f32x16_larger(f32x16_load(values + (i &+ 32)), c)
        d = f32x16_larger(f32x16_load(values + (i &+ 48)), d)
        i &+= 64
    }
    var largest = f32x16_largest(f32x16_larger(f32x16_larger(a, b), f32x16_larger(c, d)))
    while i < count {
        if values[i] > largest { largest = values[i] }
        i &+= 1
    }
    let wanted = f32x16_all(largest)
    i = 0
    while i < whole && any_equal(f32x16_load(values + i), wanted) == 0 { i &+= 16 }
    while i < count && values[i] != largest { i &+= 1 }
    position.pointee = i < count ? i : 0
}

extension Kernels {
    /// Position of the largest value, the lowest one of equals. NaN is never chosen unless there is nothing
    /// else; then 0.
    /// - Precondition: `count` is positive.
    @inline(never)
    public func argmax(_ values: UnsafePointer<Float>, count: Int) -> Int {
        precondition(count > 0, "argmax of nothing")
        var position = 0
        switch vectors {
        case .avx512: arg_max_avx512(values, count, &position)
        case .avx2: arg_max_avx2(values, count, &position)
        case .baseline: arg_max_baseline(values, count, &position)
        }
        return position
    }
}
