import Foundation
import GLMFiles
import GLMKernels
import GLMModel
import GLMTestSupport
import Testing

/// The stored checkpoints of the reference, the models of these tests.
struct GoldenCheckpoint: CustomTestStringConvertible, Sendable {
    let name: String
    let format: String

    static let tiny = GoldenCheckpoint(name: "tiny", format: "bf16")
    static let sharedOdd = GoldenCheckpoint(name: "shared-odd", format: "bf16")
    static let fp8Edge = GoldenCheckpoint(name: "fp8-edge", format: "fp8")
    static let all = [tiny, sharedOdd, fp8Edge]

    var testDescription: String { name }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden").path

    var folder: String { "\(Self.root)/\(name)" }
    var directory: String { "\(folder)/\(format)" }

    func load(
        threads: Int = 2, contextSize: Int? = nil, numerics: ProductArithmetic = .float32,
        cache: CacheFormat = .float32, level: InstructionSet = .selected
    ) throws -> LanguageModel {
        var options = LoadOptions(
            threads: threads, contextSize: contextSize, numerics: numerics, cacheFormat: cache)
        options.instructionSet = level
        return try LanguageModel.load(directory: directory, options: options)
    }

    /// The same weights under a changed configuration: `change` replaces text in `config.json`.
    func load(replacing old: String, with new: String) throws -> LanguageModel {
        let copy = FileManager.default.temporaryDirectory.appending(path: "glm-\(UUID().uuidString)")
        try FileManager.default.copyItem(atPath: directory, toPath: copy.path)
        defer { try? FileManager.default.removeItem(at: copy) }
        let path = copy.appending(path: "config.json")
        let text = try String(contentsOf: path, encoding: .utf8)
        precondition(text.contains(old), "config.json of \(name) has no \(old)")
        try text.replacingOccurrences(of: old, with: new).write(to: path, atomically: true, encoding: .utf8)
        return try LanguageModel.load(directory: copy.path, options: LoadOptions(threads: 2))
    }

    /// A prompt several times as long as `index_topk`, the same every time.
    func prompt(_ count: Int, for model: LanguageModel, salt: Int = 0) -> [Int32] {
        (0..<count).map {
            Int32((($0 + salt) * 7919 + 13 * $0 * $0) % (model.configuration.vocabularySize - 4))
        }
    }
}
