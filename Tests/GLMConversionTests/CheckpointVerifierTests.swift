import GLMConversion
import GLMFiles
import GLMKernels
import GLMSynthesis
import GLMTestSupport
import GLMWeights
import Testing

@Suite struct CheckpointVerifierTests {
    static let block = BlockShape(rows: 128, columns: 128)

    static func verify(
        _ path: String, threads: Int = 2, scales: ScaleFormat = .float32
    ) throws -> VerificationReport {
        try CheckpointVerifier(Checkpoint.open(directory: path), block: block, scaleFormat: scales).run(
            pool: ThreadPool(threads: threads))
    }

    static func compare(_ path: String, _ source: String, tolerance: Float? = nil) throws
        -> VerificationReport
    {
        var report = try verify(path)
        let comparison = SourceComparison(
            of: try Checkpoint.open(directory: path), with: try Checkpoint.open(directory: source),
            blocks: (block, block), tolerance: tolerance)
        try comparison.run(into: &report, pool: ThreadPool(threads: 2))
        return report
    }

    @Test func checksumsAreOfTheBytes() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.float8, in: folder, "in", shards: 3)
        let report = try Self.verify(path)
        #expect(report.problems.isEmpty)
        #expect(report.files.count == 3)
        for file in report.files {
            let bytes = try fileBytes("\(path)/\(file.name)")
            #expect(file.checksum == XXH64.checksum(bytes) && file.byteCount == bytes.count)
        }
        let checkpoint = try Checkpoint.open(directory: path)
        #expect(report.tensors.map(\.name) == checkpoint.tensors.map(\.name))
        for (entry, tensor) in zip(report.tensors, checkpoint.tensors) {
            #expect(entry.checksum == XXH64.checksum(Array(tensor.bytes)))
        }
    }

    @Test func badValuesAreToldWithTheirPlace() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.float8, in: folder, "in")
        let name = "model.layers.0.self_attn.q_a_proj.weight"  // [72, 136]
        try patch(path, name, at: 3 * 136 + 5, [0x7f])
        try patch(path, "model.norm.weight", at: 8, [0x80, 0x7f])
        try patch(path, "model.layers.1.mlp.gate.e_score_correction_bias", at: 4, floatBytes([.nan]))
        try patch(path, "model.layers.0.self_attn.o_proj.weight_scale_inv", at: 4, floatBytes([256]))
        let problems = try Self.verify(path).problems
        #expect(problems.count == 4)
        #expect(problems.contains { $0.contains("\(name): 1 NaN codes, the first at row 3, column 5") })
        #expect(problems.contains { $0.contains("model.norm.weight: 1 values") && $0.contains("element 4") })
        #expect(problems.contains { $0.contains("e_score_correction_bias: 1 values") })
        #expect(problems.contains { $0.contains("256.0 at row 0, column 1 is of magnitude 256 or more") })
    }

    /// A scale is a magnitude over 448. The sign of a block turned leaves every other check content.
    @Test func aNegativeScaleIsToldWithItsPlace() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.float8, in: folder, "in")
        let name = "model.layers.0.self_attn.o_proj.weight_scale_inv"
        // Negative control: of a block of zeros the quotient is zero, whatever its sign.
        try patch(path, name, at: 0, floatBytes([0]))
        try patch(path, name, at: 4, floatBytes([-0.0]))
        #expect(try Self.verify(path).problems == [])
        try patch(path, name, at: 4, floatBytes([-0.003]))
        let report = try Self.verify(path)
        let line = "tensor \(name): the scale -0.003 at row 0, column 1 is negative"
        #expect(report.problems == [line])
        #expect(report.json["problems"] == .array([.string(line)]) && report.json["ok"] == .bool(false))
        // Of several faults of a tensor each is told.
        try patch(path, name, at: 0, floatBytes([-256]))
        #expect(try Self.verify(path).problems.count == 2)
        #expect(try Self.verify(path, scales: .powerOfTwo).problems.filter { $0.contains(name) }.count == 3)
    }

    @Test func promisedPowersOfTwoAreChecked() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        for (format, count) in [(ScaleFormat.powerOfTwo, 0), (.float32, 112)] {
            let out = folder.file(format.rawValue)
            try convert(path, to: out, ConversionOptions(format: .float8, scaleFormat: format))
            #expect(try Self.verify(out, scales: .powerOfTwo).problems.count == count)
        }
    }

    @Test(arguments: ScaleFormat.allCases) func theDistanceFromTheSourceIsMeasured(_ format: ScaleFormat)
        throws
    {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let out = folder.file("out")
        try convert(path, to: out, ConversionOptions(format: .float8, scaleFormat: format))
        let report = try Self.compare(out, path)
        #expect(report.problems.isEmpty)
        let worst = try #require(report.worst)
        #expect(worst.error.relative > 0x1p-6 && worst.error.relative < 0x1p-4)
        // A tensor that stays as it is has no error.
        let norm = report.tensors.first { $0.name == "model.norm.weight" }
        #expect(norm?.error?.relative == 0)
        // The same to Double, element by element, for one tensor.
        let name = worst.tensor.name.description
        let (made, original) = try (
            values(Checkpoint.open(directory: out), name), values(Checkpoint.open(directory: path), name)
        )
        let columns = worst.tensor.shape[1]
        let place = worst.error.row * columns + worst.error.column
        let corner = (worst.error.row / 128 * 128, worst.error.column / 128 * 128)
        var largest: Float = 0
        for row in corner.0..<min(worst.tensor.shape[0], corner.0 + 128) {
            for column in corner.1..<min(columns, corner.1 + 128) {
                largest = max(largest, abs(original[row * columns + column]))
            }
        }
        #expect(worst.error.relative == abs(made[place] - original[place]) / largest)
        #expect(try !Self.compare(out, path, tolerance: 0x1p-7).problems.isEmpty)
    }

    @Test func aDifferenceFromTheSourceIsFound() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.bfloat16, in: folder, "in")
        let copy = try makeNano(.bfloat16, in: folder, "copy")
        #expect(try Self.compare(copy, path).problems.isEmpty)
        // The lowest bit of one element.
        let byte = storedBytes(try Checkpoint.open(directory: copy), "lm_head.weight")[(3 * 136 + 7) * 2]
        try patch(copy, "lm_head.weight", at: (3 * 136 + 7) * 2, [byte ^ 1])
        let problems = try Self.compare(copy, path).problems
        #expect(
            problems.count == 1 && problems[0].contains("lm_head.weight")
                && problems[0].contains("row 3, column 7"))
        // Another model altogether, and names on one side only.
        let small = try TemporaryDirectory()
        let one = try write(Matrix(3, 4), as: .float32, to: small, "one")
        let lines = try Self.compare(one, path).problems
        #expect(lines.count == 154 && lines.contains("tensor w.weight: not in the source"))
        #expect(lines.contains("tensor lm_head.weight: only in the source"))
        let turned = try write(Matrix(4, 3), as: .float32, to: small, "turned")
        #expect(
            try Self.compare(one, turned).problems == ["tensor w.weight: shape [3, 4], [4, 3] in the source"])
    }

    @Test func checksumsAreWrittenAndCompared() throws {
        let folder = try TemporaryDirectory()
        let path = try makeNano(.float8, in: folder, "in", shards: 2)
        let file = folder.file("sums.json")
        let report = try Self.verify(path)
        expectRefused(.noSuchFile, containing: "sums.json") {
            _ = try ChecksumFile.differences(of: report, from: file)
        }
        try ChecksumFile.write(report, to: file)
        #expect(try ChecksumFile.differences(of: report, from: file).isEmpty)
        let byte = storedBytes(try Checkpoint.open(directory: path), "model.norm.weight")[0]
        try patch(path, "model.norm.weight", at: 0, [byte ^ 1])
        let lines = try ChecksumFile.differences(of: Self.verify(path), from: file)
        #expect(lines.count == 2 && lines.contains { $0.contains("tensor model.norm.weight: checksum") })
        let other = try write(Matrix(3, 4), as: .float32, to: folder, "other")
        let strange = try ChecksumFile.differences(of: Self.verify(other), from: file)
        #expect(strange.contains { $0.contains("tensor w.weight: without a checksum") })
        #expect(strange.contains { $0.contains("tensor model.norm.weight: in") && $0.hasSuffix("only") })
    }

    @Test(arguments: [
        (#"{}"#, "algorithm"), (#"{"algorithm": "md5"}"#, "md5"), (#"{"algorithm": "xxh64"}"#, "files"),
        (#"{"algorithm": "xxh64", "files": {"a": "12"}, "tensors": {}}"#, "16 hexadecimal digits"),
        (#"{"algorithm": "xxh64", "files": {}, "tensors": {"a": 5}}"#, "number"), (#"[]"#, "algorithm"),
    ])
    func aChecksumFileOfAnotherFormIsRefused(_ text: String, _ part: String) throws {
        let folder = try TemporaryDirectory()
        let path = try write(Matrix(3, 4), as: .float32, to: folder, "one")
        try folder.write("sums.json", text)
        let report = try Self.verify(path)
        expectRefused(containing: "sums.json", part) {
            _ = try ChecksumFile.differences(of: report, from: folder.file("sums.json"))
        }
    }
}
