import CVector

// RMSNorm and LayerNorm of one row: whole vectors, then a tail filled with zeros. A body and the call of its
// thunks share a file, because the optimiser works file by file and the thunks inline the body.

@c @implementation
func rms_norm_baseline(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float, _ count: Int,
    _ output: UnsafeMutablePointer<Float>
) {
    let whole = count & ~15
    var squares = f32x16_all(0)
    var i = 0
    while i < whole {
        let v = f32x16_load(x + i)
        squares = f32x16_multiply_add(v, v, squares)
        i &+= 16
    }
    if whole < count {
        let v = f32x16_load_first(x + whole, count &- whole)
        squares = f32x16_multiply_add(v, v, squares)
    }
    let inverse = f32x16_all(1 / f32_square_root(f32x16_sum(squares) / Float(count) + epsilon))
    i = 0
    while i < whole {
        let v = f32x16_multiply(f32x16_load(x + i), inverse)
        f32x16_store(output + i, f32x16_multiply(v, f32x16_load(weight + i)))
        i &+= 16
    }
    if whole < count {
        let v = f32x16_multiply(f32x16_load_first(x + whole, count &- whole), inverse)
        let w = f32x16_load_first(weight + whole, count &- whole)
        f32x16_store_first(output + whole, f32x16_multiply(v, w), count &- whole)
    }
}

extension Kernels {
    /// output = x / sqrt(mean(x²) + epsilon) · weight, over one row of `count`.
    @inline(never)
    public func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int,
        output: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: rms_norm_avx512(x, weight, epsilon, count, output)
        case .avx2: rms_norm_avx2(x, weight, epsilon, count, output)
        case .baseline: rms_norm_baseline(x, weight, epsilon, count, output)
        }
    }
}

@c @implementation
func layer_norm_baseline(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ epsilon: Float,
    _ count: Int, _ output: UnsafeMutablePointer<Float>
) {
    let whole = count & ~15
    let rest = count &- whole
    var sum = f32x16_all(0)
    var i = 0
    while i < whole {
        sum = f32x16_add(sum, f32x16_load(x + i))
        i &+= 16
    }
    if rest > 0 { sum = f32x16_add(sum, f32x16_load_first(x + whole, rest)) }
    let mean = f32x16_all(f32x16_sum(sum) / Float(count))
    var squares = f32x16_all(0)
    i = 0
    while i < whole {
        let d = f32x16_subtract(f32x16_load(x + i), mean)
        squares = f32x16_multiply_add(d, d, squares)
        i &+= 16
    }
    if rest > 0 {
        // The filling must be zero after the mean is taken away.
        var d = f32x16_subtract(f32x16_load_first(x + whole, rest), mean)
        d = withUnsafeBytes(of: &d) { f32x16_load_first($0.baseAddress ?? UnsafeRawPointer(x), rest) }
        squares = f32x16_multiply_add(d, d, squares)
    }
    let inverse = f32x16_all(1 / f32_square_root(f32x16_sum(squares) / Float(count) + epsilon))
    i = 0
    while i < whole {
        let d = f32x16_multiply(f32x16_subtract(f32x16_load(x + i), mean), inverse)
        f32x16_store(output + i, f32x16_multiply_add(d, f32x16_load(weight + i), f32x16_load(bias + i)))
        i &+= 16
    }
    if rest > 0 {
        let d = f32x16_multiply(f32x16_subtract(f32x16_load_first(x + whole, rest), mean), inverse)
        let w = f32x16_load_first(weight + whole, rest), b = f32x16_load_first(bias + whole, rest)
        f32x16_store_first(output + whole, f32x16_multiply_add(d, w, b), rest)
    }
}

extension Kernels {
    /// output = (x − mean) / sqrt(variance + epsilon) · weight + bias, over one row; the variance is the mean
    /// of squares.
    @inline(never)
    public func layerNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float,
        count: Int, output: UnsafeMutablePointer<Float>
    ) {
        switch vectors {
        case .avx512: layer_norm_avx512(x, weight, bias, epsilon, count, output)
        case .avx2: layer_norm_avx2(x, weight, bias, epsilon, count, output)
        case .baseline: layer_norm_baseline(x, weight, bias, epsilon, count, output)
        }
    }
}
