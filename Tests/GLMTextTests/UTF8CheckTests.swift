import GLMText
import Testing

struct UTF8CheckTests {
    @Test(
        arguments: [
            [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80],
            [0xf0, 0x8f, 0xbf, 0xbf],
            [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe4, 0xb8], [0xff], [0xc3, 0x28],
        ] as [[UInt8]])
    func invalidBytesAreFoundAtTheirOffset(_ bytes: [UInt8]) {
        #expect(UTF8Check.firstError(in: ([0x61, 0x62] + bytes).span) == 2)
    }

    /// Each lead byte with each second byte, judged as Swift's validator does.
    @Test func agreesWithTheStandardLibrary() {
        for lead in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                for bytes in [[lead, second], [lead, second, 0x80], [lead, second, 0x80, 0x80]] {
                    let isValid = String(validating: bytes, as: UTF8.self) != nil
                    #expect((UTF8Check.firstError(in: bytes.span) == nil) == isValid, "\(bytes)")
                }
            }
        }
    }

    @Test func whatMayStillBecomeAScalarIsCut() {
        #expect(UTF8Check.sequence(at: 0, in: [0xf0, 0x9f, 0x91].span) == .cut)
        #expect(UTF8Check.sequence(at: 0, in: [0xe0].span) == .cut)
        #expect(UTF8Check.sequence(at: 0, in: [0xe0, 0x80].span) == .invalid(1))
        #expect(UTF8Check.sequence(at: 0, in: [0xf0, 0x9f, 0x28].span) == .invalid(2))
    }
}
