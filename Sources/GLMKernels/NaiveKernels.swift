/// The products again as plain scalar loops: what the fast kernels promise, bit for bit, and the oracle of
/// their tests.
///
/// Along k there are 16 lanes, element k belongs to lane k mod 16 (for FP8 weights (k mod 64) / 4), each lane
/// adds its products in ascending k, a short tail is filled with zeros, and the lanes are added in one fixed
/// tree (8 apart, 4 apart, 2 apart, neighbours). The scale of an FP8 weight enters the activation.
public struct NaiveKernels: Sendable {
    /// Whether a product enters its sum unrounded (AVX levels, NEON) or is rounded first (baseline x86-64).
    public let fusesMultiplyAdd: Bool

    /// Whether products with weights in BF16 are added in the order of matrix registers (AMX).
    public let multipliesMatrices: Bool

    /// Whether products of `bfloat16` with weights in BF16 are added in pairs.
    public let addsPairs: Bool

    /// The arithmetic of one instruction-set level.
    public init(_ level: InstructionSet) {
        addsPairs = level.addsPairs
        fusesMultiplyAdd = level.fusesMultiplyAdd
        multipliesMatrices = level.hasMatrices
    }

    /// a · b + c, rounded once or twice.
    @inline(__always)
    func multiplyAdd(_ a: Float, _ b: Float, _ c: Float) -> Float {
        fusesMultiplyAdd ? c.addingProduct(a, b) : a * b + c
    }

    /// The fixed tree over 16 lanes.
    func treeSum(_ lanes: [Float]) -> Float {
        var values = lanes
        for distance in [8, 4, 2, 1] {
            for lane in 0..<distance { values[lane] += values[lane + distance] }
        }
        return values[0]
    }

    /// Σ_k a(k) · b(k) by the rule above.
    public func dot(_ count: Int, _ a: (Int) -> Float, _ b: (Int) -> Float) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for k in 0..<(count + 15) / 16 * 16 {
            lanes[k & 15] = multiplyAdd(k < count ? a(k) : 0, k < count ? b(k) : 0, lanes[k & 15])
        }
        return treeSum(lanes)
    }

    /// The twin of `Kernels.product`.
    public func product(
        _ w: WeightView, rows: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        for n in rows {
            if let scales = w.scales {
                for t in 0..<tokens { y[t * yStride + n] = codeDot(w, scales, row: n, x + t * xStride) }
                continue
            }
            let row = (0..<w.columns).map { w.value(n, $0) }
            for t in 0..<tokens { y[t * yStride + n] = dot(w.columns, { row[$0] }, { x[t * xStride + $0] }) }
        }
    }

    /// Σ_k code(k) · Float32(x(k) · scale(k)), in code order, lifted and lowered by powers of two.
    private func codeDot(
        _ w: WeightView, _ scales: BlockScales, row: Int, _ x: UnsafePointer<Float>
    ) -> Float {
        var lanes = [Float](repeating: 0, count: 16)
        for k in 0..<CodeOrder.groups(w.columns) * 16 {
            let lane = k % 64 / 4
            let inside = k < w.columns
            let code = inside ? self.code(w, row, k) : 0
            let token = inside ? x[k] * (scales.scale(row, k) * CodeOrder.lift) : 0
            lanes[lane] = multiplyAdd(code, token, lanes[lane])
        }
        return treeSum(lanes) * CodeOrder.rest
    }

    /// The value of a code times 2⁻¹²⁰.
    private func code(_ w: WeightView, _ row: Int, _ column: Int) -> Float {
        Float8E4M3.decodeFinite(
            w.base.load(fromByteOffset: row * w.rowStride + column, as: UInt8.self)) * 0x1p-120
    }

    /// The twin of `Kernels.transposedProduct`.
    public func transposedProduct(
        _ w: WeightView, columns: Range<Int>, x: UnsafePointer<Float>, tokens: Int, xStride: Int,
        y: UnsafeMutablePointer<Float>, yStride: Int
    ) {
        for c in columns {
            if let scales = w.scales {
                for t in 0..<tokens {
                    var sum: Float = 0
                    for r in 0..<w.rows {
                        let token = x[t * xStride + r] * (scales.scale(r, c) * CodeOrder.lift)
                        sum = multiplyAdd(token, code(w, r, c), sum)
                    }
                    y[t * yStride + c] = sum * CodeOrder.rest
                }
                continue
            }
            let column = (0..<w.rows).map { w.value($0, c) }
            for t in 0..<tokens {
                var sum: Float = 0
                for r in 0..<w.rows { sum = multiplyAdd(x[t * xStride + r], column[r], sum) }
                y[t * yStride + c] = sum
            }
        }
    }
}
