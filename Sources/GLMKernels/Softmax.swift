import CVector

// Softmax in blocks: each block of scores has weights and a sum of its own, relative to its own largest score. What two
// blocks weigh is merged by factors that bring both to the larger one (Milakov, Gimelshein 2018, "Online normalizer
// calculation for softmax"), and divided by the sum at the end.

/// What e^x is taken relative to: a block of −∞ alone weighs nothing.
@inline(__always)
private func origin(_ largest: Float) -> Float { largest == -.infinity ? 0 : largest }

@c @implementation
func softmax_weights_baseline(
    _ x: UnsafeMutablePointer<Float>, _ scale: Float, _ count: Int, _ found: UnsafeMutablePointer<softmax_sum>
) {
    let whole = count & ~15
    let rest = count &- whole
    let factor = f32x16_all(scale)
    var largest16 = f32x16_all(-.infinity)
    var i = 0
    while i < whole {
        let v = f32x16_multiply(f32x16_load(x + i), factor)
        f32x16_store(x + i, v)
        largest16 = f32x16_larger(v, largest16)
        i &+= 16
    }
    var largest = f32x16_largest(largest16)
    while i < count {
        x[i] *= scale
        if x[i] > largest { largest = x[i] }
        i &+= 1
    }
    let shift = f32x16_all(origin(largest))
    var sum = f32x16_all(0)
    i = 0
    while i < whole {
        let v = exp16(f32x16_subtract(f32x16_load(x + i), shift))
        f32x16_store(x + i, v)
        sum = f32x16_add(sum, v)
        i &+= 16
    }
    if rest > 0 {
        f32x16_store_first(x + whole, exp16(f32x16_subtract(f32x16_load_first(x + whole, rest), shift)), rest)
        sum = f32x16_add(sum, f32x16_load_first(x + whole, rest))
    }
    found.pointee.largest = largest
    found.pointee.sum = f32x16_sum(sum)
}

@c @implementation
func softmax_merge_baseline(
    _ x: UnsafePointer<Float>, _ found: UnsafePointer<softmax_sum>, _ count: Int,
    _ y: UnsafeMutablePointer<Float>, _ all: UnsafeMutablePointer<softmax_sum>
) {
    let other = found.pointee
    var own = all.pointee
    let largest = other.largest > own.largest ? other.largest : own.largest
    let shift = origin(largest)
    let a = exp16(f32x16_all(own.largest - shift)), b = exp16(f32x16_all(other.largest - shift))
    let sum = f32x16_multiply_add(f32x16_all(other.sum), b, f32x16_multiply(f32x16_all(own.sum), a))
    own.largest = largest
    f32x16_store_first(&own.sum, sum, 1)
    all.pointee = own
    let whole = count & ~15
    var i = 0
    while i < whole {
        f32x16_store(
            y + i, f32x16_multiply_add(f32x16_load(x + i), b, f32x16_multiply(f32x16_load(y + i), a)))
        i &+= 16
    }
    let rest = count &- whole
    if rest > 0 {
        let merged = f32x16_multiply_add(
            f32x16_load_first(x + whole, rest), b, f32x16_multiply(f32x16_load_first(y + whole, rest), a))
        f32x16_store_first(y + whole, merged, rest)
    }
}

/// What is known of the softmax over some scores.
public struct SoftmaxSum: Sendable, Equatable, BitwiseCopyable {
    /// The largest of the scores.
    public var largest: Float
    /// Σ exp(score − largest).
    public var sum: Float

    /// - Parameters:
    ///   - largest: −∞ of no scores.
    ///   - sum: relative to `largest`.
    public init(largest: Float, sum: Float) { (self.largest, self.sum) = (largest, sum) }

    /// What a kernel found.
    init(_ found: softmax_sum) { (largest, sum) = (found.largest, found.sum) }

    /// The same for a kernel.
    var found: softmax_sum { softmax_sum(largest: largest, sum: sum) }
}

extension Kernels {
    /// x = exp(scale · x − largest), in place, relative to the largest of these scores: the weights of one block, not
    /// yet divided by the sum. Of −∞ alone the weights are 0; NaN or +∞ make the sum NaN.
    @inline(never)
    public func softmaxWeights(
        _ x: UnsafeMutablePointer<Float>, scale: Float, count: Int
    ) -> SoftmaxSum {
        var found = softmax_sum(largest: -.infinity, sum: 0)
        switch vectors {
        case .avx512: softmax_weights_avx512(x, scale, count, &found)
        case .avx2: softmax_weights_avx2(x, scale, count, &found)
        case .baseline: softmax_weights_baseline(x, scale, count, &found)
        }
        return SoftmaxSum(found)
    }

    /// Adds another block to what is known: y = y · exp(all.largest − m) + x · exp(block.largest − m), where m is the
    /// larger of the two, and the same of the sums.
    ///
    /// - Parameters:
    ///   - x: what the weights of `block` sum up, `count` floats.
    ///   - y: what those of `all` sum up, in place.
    @inline(never)
    public func softmaxMerge(
        _ x: UnsafePointer<Float>, _ block: SoftmaxSum, count: Int, into y: UnsafeMutablePointer<Float>,
        _ all: inout SoftmaxSum
    ) {
        var merged = all.found
        var other = block.found
        switch vectors {
        case .avx512: softmax_merge_avx512(x, &other, count, y, &merged)
        case .avx2: softmax_merge_avx2(x, &other, count, y, &merged)
        case .baseline: softmax_merge_baseline(x, &other, count, y, &merged)
        }
        all = SoftmaxSum(merged)
    }
}
