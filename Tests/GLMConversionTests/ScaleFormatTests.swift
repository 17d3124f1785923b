import GLMConversion
import GLMKernels
import Testing

@Suite struct ScaleFormatTests {
    /// Magnitudes over the whole range, on both sides of where the power of two changes.
    static let magnitudes: [Float] = (-126...126).flatMap { exponent in
        [Float(1), 1.5, 1.75, Float(1.75).nextUp, Float(1.75).nextDown, 1.999].map {
            Float(sign: .plus, exponent: exponent, significand: $0)
        }
    }

    @Test(arguments: ScaleFormat.allCases) func aBlockOfZerosHasTheScaleOne(_ format: ScaleFormat) {
        #expect(format.scale(largest: 0) == 1)
    }

    @Test func float32IsTheQuotient() {
        #expect(ScaleFormat.float32.scale(largest: 448) == 1)
        #expect(ScaleFormat.float32.scale(largest: 3) == 3 / Float(448))
        #expect(ScaleFormat.float32.scale(largest: .leastNonzeroMagnitude) == 0x1p-126)
    }

    @Test func powersOfTwoAreTheSmallestThatHold() {
        for largest in Self.magnitudes {
            let scale = ScaleFormat.powerOfTwo.scale(largest: largest)
            #expect(ScaleFormat.powerOfTwo.allows(scale))
            #expect(448 * Double(scale) >= Double(largest), "\(largest) overflows")
            // Half of it would saturate.
            #expect(scale == 0x1p-126 || 224 * Double(scale) < Double(largest), "\(largest) wastes a bit")
        }
    }

    @Test func onlyPowersOfTwoPassAsSuch() {
        for scale: Float in [3, 0, -1, .nan, .infinity, 0x1p-127, Float(1).nextUp] {
            #expect(!ScaleFormat.powerOfTwo.allows(scale), "\(scale)")
        }
        for scale: Float in [3, 0, -0.0, 0x1p-127] { #expect(ScaleFormat.float32.allows(scale), "\(scale)") }
        for scale: Float in [.nan, .infinity, -1, -.leastNonzeroMagnitude] {
            #expect(!ScaleFormat.float32.allows(scale), "\(scale)")
        }
    }
}
