import Foundation
import GLMFiles
import GLMKernels
import GLMModel
import GLMParallel
import GLMWeights
import Testing

/// What devices must agree on, and what they share on one machine.
@Suite struct AgreementTests {
    static let checkpoint = GoldenVerifierTests.root + "/fresh-eight/bf16"

    /// A copy whose `model.safetensors` has other bytes in a part of one tensor.
    private func sample(changing part: Range<Double>?) throws -> UInt64 {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agree-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(at: URL(fileURLWithPath: Self.checkpoint), to: folder)
        if let part {
            let file = folder.appendingPathComponent("model.safetensors")
            var data = try Data(contentsOf: file)
            let size = data.prefix(8).withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
            let header = try #require(
                JSONSerialization.jsonObject(with: data[8..<8 + size]) as? [String: Any])
            let entry = try #require(header["model.layers.1.self_attn.o_proj.weight"] as? [String: Any])
            let offsets = try #require(entry["data_offsets"] as? [Int])
            let length = Double(offsets[1] - offsets[0])
            let first = 8 + size + offsets[0]
            for byte in Int(part.lowerBound * length)..<Int(part.upperBound * length) {
                data[first + byte] ^= 0x80
            }
            try data.write(to: file)
        }
        return Fingerprint(sampling: try Checkpoint.open(directory: folder.path)).value
    }

    @Test(arguments: [0..<0.25, 0.25..<0.5, 0.4..<0.6, 0.75..<1, 0..<1] as [Range<Double>])
    func aRunOfOtherWeightsIsFound(part: Range<Double>) throws {
        let own = try sample(changing: nil)
        #expect(try sample(changing: nil) == own, "an equal copy differs")
        #expect(try sample(changing: part) != own)
    }

    /// Eight devices have eight pools on the processors of one.
    @Test func poolsOfSeveralDevicesCountTogether() throws {
        for (devices, threads) in [(1, 1), (8, 8), (8, 16), (2, 2)] {
            var options = LoadOptions(threads: threads)
            options.devices.layout = ParallelLayout(tensor: devices)
            let pool = try LanguageModel.load(directory: Self.checkpoint, options: options).compute.pool
            #expect(pool.threads == threads / devices)
            #expect(
                pool.spins == (threads <= ThreadPool.availableProcessors),
                "\(devices) devices, \(threads) threads")
        }
    }
}
