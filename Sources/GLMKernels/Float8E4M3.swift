/// The 8-bit float of FP8 checkpoints: sign, 4 exponent bits (bias 7), 3 mantissa bits; no infinities, NaN
/// only as 0x7F and 0xFF.
///
/// Source: OCP 8-bit floating point specification, E4M3; `torch.float8_e4m3fn`.
public enum Float8E4M3 {
    /// 448, the largest magnitude.
    public static let greatestFiniteMagnitude: Float = 448

    /// Whether `code` is one of the two NaN codes.
    @inline(__always)
    public static func isNaN(_ code: UInt8) -> Bool { code & 0x7f == 0x7f }

    /// The exact value of a code; NaN (with the code's sign) for 0x7F and 0xFF.
    ///
    /// The vector kernels decode these two as ±480: they must be found when a checkpoint is loaded.
    @inline(__always)
    public static func decode(_ code: UInt8) -> Float {
        if isNaN(code) { return code < 0x80 ? .nan : -.nan }
        return decodeFinite(code)
    }

    /// The same without regard to NaN: its codes give ±480, as in the vector kernels.
    @inline(__always)
    static func decodeFinite(_ code: UInt8) -> Float {
        Float(bitPattern: UInt32(code & 0x80) &<< 24 | UInt32(code & 0x7f) &<< 20) * 0x1p120
    }

    /// The nearest code, ties to even; magnitudes beyond 448 saturate, infinities too; NaN gives 0x7F with
    /// the sign kept.
    @inline(__always)
    public static func encode(_ value: Float) -> UInt8 {
        let bits = value.bitPattern
        let sign = UInt8(truncatingIfNeeded: bits &>> 24) & 0x80
        let magnitude = bits & 0x7fff_ffff
        if magnitude > 0x7f80_0000 { return sign | 0x7f }
        if magnitude >= 0x43e0_0000 { return sign | 0x7e }
        if magnitude < 0x3c80_0000 {
            // Below the smallest normal, 2⁻⁶, the step is 2⁻⁹: adding 2¹⁴ makes the processor round to it.
            return sign | UInt8(truncatingIfNeeded: (Float(bitPattern: magnitude) + 0x1p14).bitPattern)
        }
        // Keep 3 of 23 mantissa bits, round half to even, and move the exponent's bias from 127 to 7.
        let rounded = magnitude &+ 0x7ffff &+ (magnitude &>> 20 & 1)
        return sign | min(0x7e, UInt8(truncatingIfNeeded: (rounded &- 0x3c00_0000) &>> 20))
    }
}
