/// The upper half of a Float32: sign, 8 exponent bits, 7 mantissa bits.
public enum BFloat16 {
    /// The exact value of a code.
    @inline(__always)
    public static func decode(_ code: UInt16) -> Float { Float(bitPattern: UInt32(code) &<< 16) }

    /// The nearest code, ties to even; overflow gives infinity; NaN stays NaN (quiet, sign kept).
    @inline(__always)
    public static func encode(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if bits & 0x7fff_ffff > 0x7f80_0000 { return UInt16(truncatingIfNeeded: bits &>> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits &>> 16 & 1)) &>> 16)
    }
}
