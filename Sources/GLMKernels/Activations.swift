import CVector

// The exponential and what is made of it, row by row.

/// eˣ: Cody–Waite reduction to |r| ≤ ln 2 / 2, the polynomial of Cephes `expf`, and 2ⁿ in two steps.
@inline(__always)
func exp16(_ value: f32x16) -> f32x16 {
    let x = f32x16_clamp(value, -104, 89)
    let magic = f32x16_all(0x1.8p23)
    let shifted = f32x16_multiply_add(x, f32x16_all(1.442_695_04), magic)
    let n = f32x16_subtract(shifted, magic)
    let coarse = f32x16_multiply_add(n, f32x16_all(-0.693_359_375), x)
    let r = f32x16_multiply_add(n, f32x16_all(2.121_944_40e-4), coarse)
    var p = f32x16_all(1.987_569_15e-4)
    p = f32x16_multiply_add(p, r, f32x16_all(1.398_199_950_7e-3))
    p = f32x16_multiply_add(p, r, f32x16_all(8.333_451_907_3e-3))
    p = f32x16_multiply_add(p, r, f32x16_all(4.166_579_589_4e-2))
    p = f32x16_multiply_add(p, r, f32x16_all(1.666_666_545_9e-1))
    p = f32x16_multiply_add(p, r, f32x16_all(0.5))
    let y = f32x16_add(f32x16_multiply_add(p, f32x16_multiply(r, r), r), f32x16_all(1))
    return f32x16_scale_by_power(y, shifted)
}

/// 1 + e⁻ˣ.
@inline(__always)
func onePlusExp(_ x: f32x16) -> f32x16 { f32x16_add(f32x16_all(1), exp16(f32x16_negate(x))) }

@c @implementation
func exp_row_baseline(_ x: UnsafePointer<Float>, _ count: Int, _ output: UnsafeMutablePointer<Float>) {
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(output + i, exp16(f32x16_load(x + i)))
        i &+= 16
    }
    if whole < count {
        let v = f32x16_load_first(x + whole, count &- whole)
        f32x16_store_first(output + whole, exp16(v), count &- whole)
    }
}

extension Kernels {
    /// output = eˣ, within 2 units in the last place; 0 below −104, +∞ above 88.73, NaN for NaN. No library
    /// call, so the same on every machine.
    @inline(never)
    public func exp(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        switch vectors {
        case .avx512: exp_row_avx512(x, count, output)
        case .avx2: exp_row_avx2(x, count, output)
        case .baseline: exp_row_baseline(x, count, output)
        }
    }
}

@c @implementation
func sigmoid_row_baseline(_ x: UnsafePointer<Float>, _ count: Int, _ output: UnsafeMutablePointer<Float>) {
    let one = f32x16_all(1)
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(output + i, f32x16_divide(one, onePlusExp(f32x16_load(x + i))))
        i &+= 16
    }
    if whole < count {
        let v = f32x16_load_first(x + whole, count &- whole)
        f32x16_store_first(output + whole, f32x16_divide(one, onePlusExp(v)), count &- whole)
    }
}

extension Kernels {
    /// output = 1 / (1 + exp(−x)).
    @inline(never)
    public func sigmoid(_ x: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>) {
        switch vectors {
        case .avx512: sigmoid_row_avx512(x, count, output)
        case .avx2: sigmoid_row_avx2(x, count, output)
        case .baseline: sigmoid_row_baseline(x, count, output)
        }
    }
}

@c @implementation
func silu_multiply_baseline(
    _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int,
    _ output: UnsafeMutablePointer<Float>
) {
    let whole = count & ~15
    let rest = count &- whole
    var i = 0
    while i < whole {
        let g = f32x16_load(gate + i)
        f32x16_store(output + i, f32x16_multiply(f32x16_divide(g, onePlusExp(g)), f32x16_load(up + i)))
        i &+= 16
    }
    if rest > 0 {
        let g = f32x16_load_first(gate + whole, rest)
        let u = f32x16_load_first(up + whole, rest)
        f32x16_store_first(output + whole, f32x16_multiply(f32x16_divide(g, onePlusExp(g)), u), rest)
    }
}

extension Kernels {
    /// output = silu(gate) · up, element by element, with silu(z) = z · sigmoid(z).
    @inline(never)
    public func siluMultiply(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, count: Int, output: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: silu_multiply_avx512(gate, up, count, output)
        case .avx2: silu_multiply_avx2(gate, up, count, output)
        case .baseline: silu_multiply_baseline(gate, up, count, output)
        }
    }
}
