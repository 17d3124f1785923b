/// The weight of a token as a fixed-point integer: e^x · 2⁴⁴, rounded to nearest, for a scaled logit that lies
/// x ≤ 0 from the largest.
///
/// Integers add without rounding, so that sums over tokens do not depend on their order, and the sampler may
/// look at tokens in any order it finds fast. Weights below 2⁻⁴⁴ of the largest become 0. Only additions,
/// multiplications and exact scalings are used, without a branch: the same integer on every machine, and a loop
/// over it is vectorised. Relative error below 2⁻⁴⁰ before rounding.
/// - Precondition: `x ≤ 0`, or NaN. −∞ and NaN give 0.
@inline(__always)
func exponentialWeight(_ x: Double) -> UInt64 {
    let isHeavy = x > -31  // e⁻³¹ < 2⁻⁴⁴
    let x = isHeavy ? x : 0
    let adjusted = x * 0x1.71547652b82fep+0 + 0x1.8p52  // log₂e; adding 1.5 · 2⁵² rounds to an integer n
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
    // The low bits of `adjusted` are n: the bit pattern of 2^(n + 44) without a conversion.
    let power = Double(bitPattern: (adjusted.bitPattern &+ (1023 + 44)) &<< 52)
    return isHeavy ? roundedToInteger(sum * power) : 0
}

/// The integer nearest to a number in [0, 2⁵¹], ties to even, by an addition that leaves it in the low bits.
@inline(__always)
func roundedToInteger(_ value: Double) -> UInt64 {
    (value + 0x1p52).bitPattern & 0xF_FFFF_FFFF_FFFF
}
