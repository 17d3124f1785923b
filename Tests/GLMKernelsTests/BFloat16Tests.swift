import GLMKernels
import Testing

@Test func allBFloat16CodesSurvive() {
    for code in UInt16.min...UInt16.max {
        let value = BFloat16.decode(code)
        #expect(value.bitPattern == UInt32(code) << 16)
        let isSignalling = value.isNaN && code & 0x40 == 0
        #expect(BFloat16.encode(value) == (isSignalling ? code | 0x40 : code))
    }
}

@Test func bfloat16RoundsHalfToEven() {
    #expect(BFloat16.encode(Float(bitPattern: 0x3f80_8000)) == 0x3f80)
    #expect(BFloat16.encode(Float(bitPattern: 0x3f81_8000)) == 0x3f82)
    #expect(BFloat16.encode(Float(bitPattern: 0x3f80_8001)) == 0x3f81)
    #expect(BFloat16.encode(Float(bitPattern: 0x3f80_7fff)) == 0x3f80)
    #expect(BFloat16.encode(.greatestFiniteMagnitude) == 0x7f80)
    #expect(BFloat16.encode(-.infinity) == 0xff80)
}
