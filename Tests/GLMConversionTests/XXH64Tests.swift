import GLMConversion
import Testing

@Suite struct XXH64Tests {
    /// Source: test vectors of xxHash and of its ports, seed 0.
    @Test(arguments: [
        ("", UInt64(0xef46_db37_51d8_e999)), ("a", 0xd24e_c4f1_a98c_6e5b), ("as", 0x1c33_0fb2_d66b_e179),
        ("asd", 0x631c_37ce_72a9_7393), ("asdf", 0x4158_72f5_99ce_a71e), ("abc", 0x44bc_2cf5_ad77_0999),
        ("Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2_e854_70d6_fd96),
    ])
    func knownTexts(_ text: String, _ checksum: UInt64) {
        #expect(XXH64.checksum(text.utf8) == checksum)
    }

    /// Any cut gives the same; any change another.
    @Test func cutsMakeNoDifference() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for length in [0, 1, 31, 32, 33, 63, 64, 65, 255, 300] {
            let text = Array(bytes.prefix(length))
            for step in [1, 3, 31, 32, 33, 100] {
                var hash = XXH64()
                var next = 0
                while next < length {
                    let end = min(length, next + step)
                    text[next..<end].withUnsafeBytes { hash.update($0) }
                    next = end
                }
                #expect(hash.digest == XXH64.checksum(text), "\(length) bytes by \(step)")
            }
            for place in text.indices {
                var changed = text
                changed[place] ^= 0x10
                #expect(XXH64.checksum(changed) != XXH64.checksum(text))
            }
        }
    }

    @Test func digitsAreSixteen() {
        #expect(XXH64.text(0x2a2_e854_70d6_fd96) == "02a2e85470d6fd96")
        #expect(XXH64.text(0) == "0000000000000000")
    }
}
