extension Float8E4M3 {
    /// codes[i] = `encode`(values[i] / scale): the same codes, without a branch, so that the loop becomes vectors.
    ///
    /// The quotient is a true Float32 division. No count writes nothing.
    /// - Precondition: both have room for `count`; they do not overlap.
    public static func encode(
        _ values: UnsafePointer<Float>, count: Int, dividedBy scale: Float,
        into codes: UnsafeMutablePointer<UInt8>
    ) {
        for index in 0..<max(0, count) {
            let bits = (values[index] / scale).bitPattern
            let magnitude = bits & 0x7fff_ffff
            let sign = bits &>> 24 & 0x80
            let rounded = magnitude &+ 0x7ffff &+ (magnitude &>> 20 & 1)
            let normal = min(0x7e, (rounded &- 0x3c00_0000) &>> 20)
            let subnormal = (Float(bitPattern: magnitude) + 0x1p14).bitPattern & 0xff
            let finite = magnitude < 0x3c80_0000 ? subnormal : normal
            codes[index] = UInt8(truncatingIfNeeded: sign | (magnitude > 0x7f80_0000 ? 0x7f : finite))
        }
    }
}
