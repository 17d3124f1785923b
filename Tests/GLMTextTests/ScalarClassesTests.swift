import GLMText
import Testing

struct ScalarClassesTests {
    /// The classes that tokenizers gave when it was asked about every scalar alone.
    private func expected() throws -> [ScalarClass] {
        var classes = [ScalarClass](repeating: .other, count: 0x110000)
        let names: [Substring: ScalarClass] = ["letter": .letter, "number": .number, "space": .space]
        for line in try Fixture.text("unicode_classes.txt").split(separator: "\n") where !line.hasPrefix("#")
        {
            let fields = line.split(separator: " ")
            let kind = try #require(names[fields[0]])
            let first = try #require(Int(fields[1], radix: 16))
            let count = try #require(Int(fields[2]))
            for scalar in first..<first + count {
                classes[scalar] = kind
            }
        }
        return classes
    }

    @Test func everyScalarHasTheClassThatTokenizersGivesIt() throws {
        let classes = ScalarClasses()
        let expected = try expected()
        var wrong: [UInt32] = []
        for value in UInt32(0)..<0x110000 where !(0xd800..<0xe000).contains(value) {
            if classes[value] != expected[Int(value)] { wrong.append(value) }
        }
        #expect(wrong.isEmpty, "\(wrong.count) differ, first U+\(String(wrong.first ?? 0, radix: 16))")
    }

    /// The control: Swift's own Unicode data is not the table, so the comparison can fail.
    @Test func swiftsOwnTablesAreOthers() throws {
        let expected = try expected()
        let letters: Set<Unicode.GeneralCategory> = [
            .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
        ]
        let differing = (UInt32(0)..<0x110000).lazy.compactMap { Unicode.Scalar($0) }.filter {
            letters.contains($0.properties.generalCategory) != (expected[Int($0.value)] == .letter)
        }
        #expect(differing.count > 1000)
    }

    @Test(arguments: ["a", "é", "中", "🙂", "\u{10ffff}", "\0"])
    func scalarsAreReadFromUTF8(_ character: String) throws {
        let classes = ScalarClasses()
        let scalar = try #require(character.unicodeScalars.first)
        let bytes = Array("x\(character)y".utf8)
        let (kind, end) = classes.scalar(at: 1, in: bytes.span)
        #expect(kind == classes[scalar.value])
        #expect(end == bytes.count - 1)
    }
}
