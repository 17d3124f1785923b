import GLMConversion
import GLMKernels
import GLMWeights
import Testing

@Suite struct NonFiniteTests {
    private static func look(_ bytes: [UInt8], _ type: ElementType) -> NonFinite {
        bytes.withUnsafeBytes { NonFinite(in: $0, type: type) }
    }

    @Test func everyCodeOfTwoBytesIsJudgedRight() {
        for code in UInt16.min ... .max {
            let bytes = [UInt8(truncatingIfNeeded: code), UInt8(truncatingIfNeeded: code >> 8)]
            #expect((Self.look(bytes, .bfloat16).count == 0) == BFloat16.decode(code).isFinite)
            #expect((Self.look(bytes, .float16).count == 0) == (code & 0x7c00 != 0x7c00))
            #expect(Self.look(bytes, .uint16).count == 0)
        }
    }

    @Test func everyCodeOfOneByteIsJudgedRight() {
        for code in UInt8.min ... .max {
            #expect((Self.look([code], .float8E4M3).count == 1) == Float8E4M3.isNaN(code))
            #expect(Self.look([code], .int8).count == 0)
        }
    }

    /// Count and first place, at a length that no vector divides.
    @Test func theFirstIsFound() {
        var bytes = [UInt8](repeating: 0x38, count: 1001)
        #expect(
            Self.look(bytes, .float8E4M3) == NonFinite(in: .init(start: nil, count: 0), type: .float8E4M3))
        bytes[1000] = 0x7f
        #expect(Self.look(bytes, .float8E4M3).first == 1000)
        bytes[17] = 0xff
        #expect(Self.look(bytes, .float8E4M3).first == 17 && Self.look(bytes, .float8E4M3).count == 2)
    }
}
