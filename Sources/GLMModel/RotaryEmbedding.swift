package import GLMKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The frequencies of the rotary position embedding; GLM scales them in no way.
///
/// inv_freq_j = θ^(−2j/R), j = 0 ..< R/2, rounded to Float32 as transformers rounds it, because at position
/// 100,000 an error in its last bit is already a different angle.
/// Source: specification §4.1; transformers `GlmMoeDsaRotaryEmbedding`.
package struct RotaryEmbedding: Sendable {
    /// One frequency a pair of elements, radians per position.
    package let inverseFrequencies: [Float]

    package init(theta: Float, dimension: Int) {
        precondition(dimension.isMultiple(of: 2), "rotary dimension \(dimension) is odd")
        inverseFrequencies = (0..<(dimension / 2)).map { pair in
            let exponent = Float(2 * pair) / Float(dimension)
            return 1 / Float(pow(Double(theta), Double(exponent)))
        }
    }

    /// Cosines and sines of position · frequency for the rows of one forward pass, shared by all its layers.
    package func angles(at positions: [Int]) -> RotaryAngles {
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positions.count * inverseFrequencies.count)
        sines.reserveCapacity(positions.count * inverseFrequencies.count)
        for position in positions {
            for frequency in inverseFrequencies {
                let angle = Double(Float(position) * frequency)
                cosines.append(Float(cos(angle)))
                sines.append(Float(sin(angle)))
            }
        }
        return RotaryAngles(pairs: inverseFrequencies.count, cosines: cosines, sines: sines)
    }
}

/// cos and sin of the rows of one forward pass, each `[rows, pairs]`.
package struct RotaryAngles: Sendable {
    package let pairs: Int
    package let cosines: [Float]
    package let sines: [Float]

    /// Rotates the interleaved pairs (2j, 2j+1) of the `2 · pairs` elements at `vector` by the angles of
    /// `row`.
    package func rotate(_ vector: UnsafeMutablePointer<Float>, row: Int, kernels: Kernels) {
        precondition((row + 1) * pairs <= cosines.count, "row \(row) of \(cosines.count / max(pairs, 1))")
        unsafe cosines.withUnsafeBufferPointer { cosines in
            unsafe sines.withUnsafeBufferPointer { sines in
                guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
                unsafe kernels.rotateInterleaved(
                    vector, cosines: cosine + row * pairs, sines: sine + row * pairs, pairs: pairs)
            }
        }
    }
}
