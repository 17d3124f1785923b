import Foundation
import GLMInference
import GLMModel
import GLMTestSupport
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

    @Test(arguments: cases)
    func agreesWithTheReference(name: String) throws {
        let report = try GoldenVerifier(directory: "\(Self.root)/\(name)").verify(
            options: LoadOptions(threads: 2))
        for row in report.rows where row.outcome == .fail {
            Issue.record("\(name) \(row.quantity): \(row.largestError ?? .nan) \(row.detail)")
        }
        #expect(report.rows.count { $0.outcome == .pass } >= 20)
    }
}
