import GLMFiles
import GLMKernels
import GLMModel
import Testing

/// What `GLM_ISA` may say.
struct InstructionSetRequestTests {
    @Test func everyLevelOfThisProcessorIsAccepted() throws {
        try InstructionSet.check(request: nil)
        for level in InstructionSet.available { try InstructionSet.check(request: level.name) }
    }

    @Test(arguments: ["bogus", "AVX2", "avx", " baseline", "baseline\n"])
    func otherWordsAreRefused(word: String) {
        let error = #expect(throws: InputError.self) { try InstructionSet.check(request: word) }
        #expect(error?.kind == .usage)
        let line = error?.description ?? ""
        #expect(line.contains("GLM_ISA") && line.contains("baseline") && line.contains("unset"))
        #expect(!line.contains("\n"))
    }

    @Test func levelsThatThisProcessorLacksAreRefused() {
        for level in InstructionSet.allCases where level > .best {
            let error = #expect(throws: InputError.self) { try InstructionSet.check(request: level.name) }
            #expect(error?.found.contains("lacks") == true)
        }
    }
}
