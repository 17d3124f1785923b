// The multiplier that a block of FP8 weights shares. Knows one number: the block's largest magnitude.

import GLMKernels

/// How a block's multiplier is chosen from its largest magnitude.
package enum ScaleFormat: String, Sendable, CaseIterable {
    /// Largest magnitude / 448, in Float32: the largest weight gets the largest code.
    case float32
    /// The smallest power of two that lets no weight saturate; what E8M0 can hold, stored as Float32.
    case powerOfTwo = "ue8m0"

    /// The multiplier of a block: 1 where all weights are zero, never below 2⁻¹²⁶ (weights that small become code 0).
    ///
    /// Source: specification §7.2 and §7.3; transformers `Fp8Quantize`, whose `scale_fmt` `ue8m0` rounds up.
    /// - Precondition: `largest` is finite and not negative.
    package func scale(largest: Float) -> Float {
        precondition(largest.isFinite && largest >= 0, "a largest magnitude of \(largest)")
        guard largest > 0 else { return 1 }
        switch self {
        case .float32:
            return max(largest / Float8E4M3.greatestFiniteMagnitude, .leastNormalMagnitude)
        case .powerOfTwo:
            // 448 = 1.75 · 2⁸: exact, where a rounded logarithm would not be.
            let exponent = largest.exponent - (largest.significand > 1.75 ? 7 : 8)
            return Float(sign: .plus, exponent: max(exponent, -126), significand: 1)
        }
    }

    /// Whether `scale` is one that a block's largest magnitude may have given: never a negative one. Zero is a
    /// quotient too, that of a block of zeros.
    package func allows(_ scale: Float) -> Bool {
        switch self {
        case .float32: scale.isFinite && scale >= 0
        case .powerOfTwo: scale.isNormal && scale > 0 && scale.significand == 1
        }
    }
}
