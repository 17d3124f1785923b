import GLMFiles
import Testing

struct ByteStringTests {
    @Test func comparesBytes() {
        #expect(ByteString("\u{e9}") != ByteString("e\u{301}"))
        #expect(Set<ByteString>(["\u{e9}", "e\u{301}", "\u{e9}"]).count == 2)
        #expect(
            ByteString("a") < "b" && ByteString("a") < "ab"
                && ByteString(bytes: [0x7f]) < ByteString(bytes: [0x80]))
    }

    @Test func textOnlyWhenValid() {
        #expect(ByteString(bytes: [0xff]).string == nil)
        #expect(ByteString(bytes: [0xff]).description == "\u{fffd}")
        #expect(ByteString("é").string == "é")
    }

    @Test func beginningsAndEnds() {
        #expect(ByteString("model.weight").hasSuffix(".weight") && !ByteString("w").hasSuffix(".w"))
        #expect(ByteString("model.weight").hasPrefix("model.") && !ByteString("m").hasPrefix("mo"))
    }
}
