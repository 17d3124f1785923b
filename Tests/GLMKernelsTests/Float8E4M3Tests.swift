import GLMKernels
import Testing

/// The value of a code from the definition: (−1)^s · 2^(e−7) · (1 + m/8), subnormals 2^−6 · m/8.
private func definition(_ code: UInt8) -> Double {
    let exponent = Int(code >> 3 & 15), mantissa = Double(code & 7) / 8
    let magnitude =
        exponent == 0
        ? mantissa * 0x1p-6 : (1 + mantissa) * (0..<exponent).reduce(0x1p-7) { value, _ in value * 2 }
    return code < 0x80 ? magnitude : -magnitude
}

@Test func allCodesDecode() {
    for code in UInt8.min...UInt8.max {
        let value = Float8E4M3.decode(code)
        if code == 0x7f || code == 0xff {
            #expect(value.isNaN && Float8E4M3.isNaN(code) && (value.sign == .minus) == (code == 0xff))
        } else {
            #expect(Double(value) == definition(code) && !Float8E4M3.isNaN(code))
            #expect((value.sign == .minus) == (code >= 0x80))
        }
        #expect(Float8E4M3.encode(value) == code)
    }
}

/// Every positive Float32 that can be a rounding boundary, and its neighbours, against a search of the
/// nearest code.
@Test func encodingRoundsToNearestEven() {
    for code in 0..<UInt8(0x7e) {
        let low = Float8E4M3.decode(code), high = Float8E4M3.decode(code + 1)
        let middle = (low + high) / 2
        #expect(Float8E4M3.encode(middle) == (code & 1 == 0 ? code : code + 1))
        #expect(Float8E4M3.encode(middle.nextDown) == code)
        #expect(Float8E4M3.encode(middle.nextUp) == code + 1)
        #expect(Float8E4M3.encode(-middle.nextUp) == (code + 1) | 0x80)
    }
}

@Test func encodingSaturates() {
    for value in [448, 449, 464, 1e30, .infinity, Float.greatestFiniteMagnitude] as [Float] {
        #expect(Float8E4M3.encode(value) == 0x7e)
        #expect(Float8E4M3.encode(-value) == 0xfe)
    }
    #expect(Float8E4M3.encode(.nan) == 0x7f)
    #expect(Float8E4M3.encode(-.nan) == 0xff)
    #expect(Float8E4M3.encode(-0.0) == 0x80)
    #expect(Float8E4M3.encode(.leastNonzeroMagnitude) == 0)
}
