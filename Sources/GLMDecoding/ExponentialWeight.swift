/// The weight of a token as a fixed-point integer: e^x · 2⁴⁴, rounded down, for a scaled logit that lies x ≤
/// 0 from the largest.
///
/// Integers add without rounding, so that sums over tokens do not depend on their order, and the sampler may
/// look at tokens in any order it finds fast. Weights below 2⁻⁴⁴ of the largest become 0. Only additions,
/// multiplications and exact scalings are used: the same integer on every machine. Relative error below 2⁻⁴⁰
/// before rounding down.
/// - Precondition: `x ≤ 0`, or NaN. −∞ and NaN give 0.
@inline(__always)
func exponentialWeight(_ x: Double) -> UInt64 {
    guard x > -31 else { return 0 }  // e⁻³¹ < 2⁻⁴⁴
    let adjusted = x * 0x1.71547652b82fep+0 + 0x1.8p52  // log₂e; adding 1.5 · 2⁵² rounds to an integer
    let n = adjusted - 0x1.8p52
    let r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33  // ln 2 in two parts: |r| ≤ 0.35
    // Taylor's series to r¹⁰ in Horner's form; the rest is below 3 · 10⁻¹³.
    var sum = 1 / 3_628_800.0
    sum = sum * r + 1 / 362_880.0
    sum = sum * r + 1 / 40_320.0
    sum = sum * r + 1 / 5_040.0
    sum = sum * r + 1 / 720.0
    sum = sum * r + 1 / 120.0
    sum = sum * r + 1 / 24.0
    sum = sum * r + 1 / 6.0
    sum = sum * r + 0.5
    sum = sum * r + 1
    sum = sum * r + 1
    let power = Double(bitPattern: UInt64(bitPattern: Int64(n) &+ (1023 + 44)) << 52)  // 2^(n + 44)
    return UInt64(sum * power)
}
