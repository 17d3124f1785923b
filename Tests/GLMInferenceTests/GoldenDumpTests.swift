import Foundation
import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import GLMTestSupport
import GLMWeights
import Testing

@Suite struct GoldenDumpTests {
    static let prompt: [Int32] = (0..<40).map { Int32(($0 * 31 + 7) % 90) }

    static func dump(
        _ name: String, _ format: String, into directory: String
    ) throws {
        let source = "\(GoldenVerifierTests.root)/\(name)/\(format)"
        try GoldenDump(modelDirectory: source, options: LoadOptions(threads: 2)).write(
            prompt: prompt, to: directory)
    }

    /// A dump is compared with the products that made it, whatever is asked for; a negative control takes that from it.
    @Test(.enabled(if: OpenBLAS.find() != nil))
    func verifyTakesTheProductsOfTheDump() throws {
        let directory = try TemporaryDirectory()
        try Self.dump("tiny", "bf16", into: directory.path)
        func passes() throws -> Bool {
            let options = LoadOptions(threads: 1, gemm: .openblas)
            return try GoldenVerifier(directory: directory.path).verify(options: options).passed
        }
        #expect(try passes())
        let path = directory.path + "/golden.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let level = #""exact_at_level""#
        #expect(text.contains(level))
        let changed = text.replacingOccurrences(of: level, with: #""gemm": "openblas", \#(level)"#)
        try changed.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try !passes())
    }

    @Test(arguments: [("tiny", "bf16"), ("shared-odd", "bf16"), ("fp8-edge", "fp8")])
    func verifyFindsEqualBits(name: String, format: String) throws {
        let directory = try TemporaryDirectory()
        try Self.dump(name, format, into: directory.path)
        let report = try GoldenVerifier(directory: directory.path).verify(options: LoadOptions(threads: 1))
        #expect(report.rows.allSatisfy { $0.outcome == .pass && $0.tolerance == nil })
        #expect(report.rows.count == 17)
    }

    /// Negative control: one bit of one value is noticed, and only there.
    @Test func oneBitIsNoticed() throws {
        let directory = try TemporaryDirectory()
        try Self.dump("tiny", "bf16", into: directory.path)
        let path = directory.path + "/golden.safetensors"
        let file = try SafetensorsFile.open(path: path)
        let tensor = try #require(file["long.cache_k_pe"])
        var bytes = try Data(contentsOf: URL(filePath: path))
        let needle = Data(tensor.bytes)
        let range = try #require(bytes.range(of: needle))
        bytes[range.lowerBound] ^= 1
        try bytes.write(to: URL(filePath: path))
        let report = try GoldenVerifier(directory: directory.path).verify(options: LoadOptions(threads: 1))
        #expect(report.rows.filter { $0.outcome == .fail }.map(\.quantity) == ["long.cache_k_pe"])
    }

    @Test func anotherLevelIsRefusedByName() throws {
        guard InstructionSet.best != .baseline else { return }
        let directory = try TemporaryDirectory()
        try Self.dump("tiny", "bf16", into: directory.path)
        var options = LoadOptions(threads: 1)
        options.instructionSet = .baseline
        #expect {
            _ = try GoldenVerifier(directory: directory.path).verify(options: options)
        } throws: { "\($0)".contains("exact_at_level") }
    }

    @Test func badPromptsAreRefused() throws {
        let directory = try TemporaryDirectory()
        let source = "\(GoldenVerifierTests.root)/tiny/bf16"
        let dump = try GoldenDump(modelDirectory: source, options: LoadOptions(threads: 1))
        for prompt in [[], [192], [-1], [Int32](repeating: 1, count: 4090)] {
            #expect { try dump.write(prompt: prompt, to: directory.path) } throws: {
                "\($0)".contains("prompt")
            }
        }
    }
}

/// The way an embedder takes: load once, generate, dump.
@Suite struct LoadedModelDumpTests {
    @Test func verifiesBitForBit() async throws {
        let directory = try TemporaryDirectory()
        let model = try await GLM.load(directory: NoiseModel.directory(), options: LoadOptions(threads: 1))
        try await model.dump(tokens: (0..<20).map { Int32($0 * 3 + 1) }, to: directory.path)
        let report = try GoldenVerifier(directory: directory.path).verify(options: LoadOptions(threads: 2))
        #expect(report.passed && report.notCovered == 0 && report.rows.allSatisfy { $0.tolerance == nil })
        await #expect(throws: InputError.self) { try await model.dump(tokens: [], to: directory.path) }
    }
}
