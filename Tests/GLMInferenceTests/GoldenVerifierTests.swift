import Foundation
import GLMFiles
import GLMInference
import GLMKernels
import GLMModel
import GLMTestSupport
import GLMWeights
import Testing

@Suite struct GoldenVerifierTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "GLMModelTests/Golden").path
    /// Every case in the folder, so that a new one is compared without being listed.
    static let cases = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [])
        .filter { FileManager.default.fileExists(atPath: "\(root)/\($0)/golden.json") }.sorted()

    @Test func casesAreThere() {
        #expect(Set(Self.cases).isSuperset(of: ["tiny", "shared-odd", "fp8-edge"]))
    }

    @Test(arguments: cases, InstructionSet.available)
    func agreesWithTheReference(name: String, level: InstructionSet) throws {
        var options = LoadOptions(threads: 2)
        options.instructionSet = level
        let report = try GoldenVerifier(directory: "\(Self.root)/\(name)").verify(options: options)
        // A row that is not covered is as bad as one that differs.
        for row in report.rows where row.outcome != .pass {
            Issue.record("\(name) \(level) \(row.quantity): \(row.largestError ?? .nan) \(row.detail)")
        }
        #expect(report.rows.count >= 20)
        let drafting = ["mtp.logits", "spec.draft_logits", "spec.rounds", "spec.tokens"]
        #expect(name == "fp8-edge" || Set(report.rows.map(\.quantity)).isSuperset(of: drafting))
    }

    /// Negative control: one bit of the file changed, one row differs.
    @Test(arguments: [
        "fp8.gemm.act_q", "fp8.gemm.act_scale", "fp8.gemm.output", "fp8.gemm.weight_dequant_tail",
        "fp8.w8a8.hidden", "fp8.w8a8.logits", "fp8.w8a8.selected", "fp8.w8a8.experts",
        "spec.draft_logits", "spec.rounds", "spec.tokens", "mtp.logits", "mtp.selected",
    ])
    func noticesOneChangedBit(quantity: String) throws {
        let name = quantity.hasPrefix("fp8") ? "fp8-edge" : "tiny"
        let copy = FileManager.default.temporaryDirectory.appending(path: "golden-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: "\(Self.root)/\(name)", toPath: copy.path)
        defer { try? FileManager.default.removeItem(at: copy) }
        let path = copy.appending(path: "golden.safetensors")
        var bytes = try Data(contentsOf: path)
        let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try JSONSerialization.jsonObject(with: bytes[8..<(8 + length)]) as? [String: Any]
        let tensor = try #require(header?[quantity] as? [String: Any])
        let offsets = try #require(tensor["data_offsets"] as? [Int])
        // The last element's highest byte but the sign: of a float's exponent, or the value itself.
        let byte = 8 + length + offsets[1] - 1
        bytes[byte] ^= tensor["dtype"] as? String == "F32" ? 0x40 : 1
        try bytes.write(to: path)
        let report = try GoldenVerifier(directory: copy.path).verify(options: LoadOptions(threads: 1))
        #expect(report.rows.filter { $0.outcome == .fail }.map(\.quantity).contains(quantity))
    }

    /// The case `tiny` with some of its quantities replaced, left out (nil) or added.
    static func changed(
        _ changes: [String: (type: ElementType, shape: [Int], bytes: [UInt8])?], in folder: TemporaryDirectory
    ) throws {
        let source = "\(root)/tiny"
        try folder.link("bf16", to: source + "/bf16")
        try folder.link("golden.json", to: source + "/golden.json")
        var quantities: [(name: ByteString, type: ElementType, shape: [Int], bytes: [UInt8])] = []
        for tensor in try SafetensorsFile.open(path: source + "/golden.safetensors").tensors
        where changes[tensor.name.description] == nil {
            quantities.append((tensor.name, tensor.type, tensor.shape, Array(tensor.bytes)))
        }
        for (name, quantity) in changes.sorted(by: { $0.key < $1.key }) {
            guard let quantity else { continue }
            quantities.append((ByteString(name), quantity.type, quantity.shape, quantity.bytes))
        }
        let writer = try SafetensorsWriter(
            path: folder.file("golden.safetensors"),
            tensors: quantities.map { TensorDescription($0.name, $0.type, $0.shape) })
        for quantity in quantities { try writer.write(quantity.bytes) }
        try writer.commit()
    }

    static func ids(_ count: Int) -> (type: ElementType, shape: [Int], bytes: [UInt8]) {
        (.int32, [count], (0..<count).flatMap { _ in [1, 0, 0, 0] as [UInt8] })
    }

    static func verify(_ folder: TemporaryDirectory) throws -> GoldenReport {
        try GoldenVerifier(directory: folder.path).verify(options: LoadOptions(threads: 1))
    }

    /// The model of `tiny` has 4096 positions.
    @Test(arguments: [
        ["decode.forced": ids(4093)], ["greedy.tokens": ids(4092)], ["long.input_ids": ids(4097)],
        ["greedy.tokens": (.int32, [1 << 40, 0], [])], ["greedy.tokens": (.int32, [], [1, 0, 0, 0])],
        ["long.input_ids": nil], ["decode.forced": nil], ["greedy.prompt": nil], ["mtp.tokens": nil],
        ["spec.rounds": (.int32, [0, 1 << 40], [])],
        ["long.input_ids": (.int32, [1], [200, 0, 0, 0])], ["long.input_ids": (.float32, [1], [0, 0, 0, 0])],
    ])
    func inputsThatCannotBeRunAreRefusedByName(
        changes: [String: (type: ElementType, shape: [Int], bytes: [UInt8])?]
    ) throws {
        let folder = try TemporaryDirectory()
        try Self.changed(changes, in: folder)
        let name = try #require(changes.keys.first)
        #expect { try Self.verify(folder) } throws: { "\($0)".contains(name) }
    }

    /// Negative control of the cases above: what can be run is run, and other answers are a difference.
    @Test func otherInputsGiveOtherAnswers() throws {
        let folder = try TemporaryDirectory()
        try Self.changed(["long.input_ids": Self.ids(3)], in: folder)
        let report = try Self.verify(folder)
        #expect(!report.passed)
        #expect(report.rows.first { $0.quantity == "short.logits" }?.outcome == .pass)
    }

    @Test func unknownQuantitiesAreCountedAndNothingAtAllIsRefused() throws {
        let folder = try TemporaryDirectory()
        try Self.changed(["long.novelty": (.float32, [1], [0, 0, 0, 0])], in: folder)
        let report = try Self.verify(folder)
        let before = try GoldenVerifier(directory: Self.root + "/tiny").verify(
            options: LoadOptions(threads: 1))
        #expect(report.passed && report.notCovered == before.notCovered + 1)
        let empty = try TemporaryDirectory()
        try empty.link("bf16", to: Self.root + "/tiny/bf16")
        try empty.link("golden.json", to: Self.root + "/tiny/golden.json")
        try empty.write("golden.safetensors", rawSafetensors("{}"))
        #expect { try Self.verify(empty) } throws: { "\($0)".contains("no quantity") }
    }

    /// The epsilon of the latent norms is the file's, whatever the options say; another one is noticed.
    @Test func theLatentEpsilonIsTheFiles() throws {
        let folder = try TemporaryDirectory()
        try Self.changed([:], in: folder)
        var options = LoadOptions(threads: 1)
        options.latentNormEpsilon = 1e-2
        #expect(try GoldenVerifier(directory: folder.path).verify(options: options).passed)
        let text = try String(contentsOfFile: folder.file("golden.json"), encoding: .utf8)
        try FileManager.default.removeItem(atPath: folder.file("golden.json"))
        var other = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        other["eps"] = [
            "rms_norm": 1e-5, "index_k_norm": 1e-6, "q_a_layernorm": 1e-3, "kv_a_layernorm": 1e-3,
        ]
        try folder.write("golden.json", Array(JSONSerialization.data(withJSONObject: other)))
        #expect(try !Self.verify(folder).passed)
    }
}
