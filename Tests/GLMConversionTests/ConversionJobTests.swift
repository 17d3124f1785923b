import GLMConversion
import GLMFiles
import GLMKernels
import GLMTestSupport
import GLMWeights
import Testing

/// Matrices through quantisation and back.
@Suite struct ConversionJobTests {
    static let shapes = [
        (1, 1), (3, 131), (127, 129), (128, 128), (129, 257), (136, 140), (300, 16), (5, 3000),
    ]

    @Test(arguments: ["edge", "ranges", "ties", "single"], ScaleFormat.allCases)
    func codesAndScalesAreTorchs(_ name: String, _ format: ScaleFormat) throws {
        let folder = try TemporaryDirectory()
        let expected = try Checkpoint.open(directory: Stored.fixtures)
        let other: ScaleFormat = format == .float32 ? .powerOfTwo : .float32
        for threads in [1, 3] {
            let made = try convert(
                ["\(name).weight"], from: Stored.fixtures, to: .float8E4M3, format, into: folder,
                threads: threads)
            let codes = storedBytes(made, "\(name).weight")
            #expect(codes == storedBytes(expected, "\(name).\(format.rawValue).codes"))
            #expect(codes != storedBytes(expected, "\(name).\(other.rawValue).codes"))
            #expect(
                storedBytes(made, "\(name).weight_scale_inv")
                    == storedBytes(expected, "\(name).\(format.rawValue).scales"))
        }
    }

    /// BF16 → FP8 → BF16: a normal code is within 2⁻⁴ of the value it stands for, a subnormal one within half its step.
    @Test(arguments: shapes, ScaleFormat.allCases)
    func thereAndBackIsNear(_ shape: (Int, Int), _ format: ScaleFormat) throws {
        let folder = try TemporaryDirectory()
        let matrix = Matrix(shape.0, shape.1)
        let path = try write(matrix, as: .bfloat16, to: folder, "in")
        let packed = try convert(["w.weight"], from: path, to: .float8E4M3, format, into: folder)
        let unpacked = try convert(["w.weight"], from: packed.directory, to: .bfloat16, into: folder)
        let codes = storedBytes(packed, "w.weight")
        let scales = try values(packed, "w.weight_scale_inv")
        let across = (shape.1 + 127) / 128
        #expect(scales.allSatisfy { format.allows($0) && $0 > 0 })
        for (index, back) in try values(unpacked, "w.weight").enumerated() {
            let value = matrix.values[index]
            let scale = scales[index / shape.1 / 128 * across + index % shape.1 / 128]
            // Rounding the result to BF16 adds 2⁻⁹ of it.
            let bound =
                codes[index] & 0x7f >= 8
                ? (0x1p-4 + 0x1p-8) * abs(value) : 0x1p-10 * scale * 1.01
            #expect(abs(back - value) <= bound, "element \(index): \(value) came back as \(back)")
        }
    }

    /// With powers of two, every value of FP8 is one of BF16, and quantising it again finds the same.
    @Test(arguments: shapes) func powersOfTwoComeBackExactly(_ shape: (Int, Int)) throws {
        let folder = try TemporaryDirectory()
        let path = try write(Matrix(shape.0, shape.1), as: .bfloat16, to: folder, "in")
        let first = try convert(["w.weight"], from: path, to: .float8E4M3, .powerOfTwo, into: folder)
        let back = try convert(["w.weight"], from: first.directory, to: .bfloat16, into: folder)
        let second = try convert(
            ["w.weight"], from: back.directory, to: .float8E4M3, .powerOfTwo, into: folder)
        #expect(try values(back, "w.weight") == values(first, "w.weight"))
        #expect(storedBytes(first, "w.weight") == storedBytes(second, "w.weight"))
        #expect(storedBytes(first, "w.weight_scale_inv") == storedBytes(second, "w.weight_scale_inv"))
    }

    /// Without them only F32 holds code × scale; BF16 does not, which shows that the test above can fail.
    @Test func codesComeBackThroughFloat32() throws {
        let folder = try TemporaryDirectory()
        let path = try write(Matrix(136, 140), as: .bfloat16, to: folder, "in")
        let first = try convert(["w.weight"], from: path, to: .float8E4M3, into: folder)
        let wide = try convert(["w.weight"], from: first.directory, to: .float32, into: folder)
        let second = try convert(["w.weight"], from: wide.directory, to: .float8E4M3, into: folder)
        #expect(storedBytes(first, "w.weight") == storedBytes(second, "w.weight"))
        let narrow = try convert(["w.weight"], from: first.directory, to: .bfloat16, into: folder)
        #expect(try values(narrow, "w.weight") != values(first, "w.weight"))
    }

    @Test func zerosStayZeros() throws {
        let folder = try TemporaryDirectory()
        var matrix = Matrix(130, 130)
        matrix.values = matrix.values.map { _ in 0 }
        matrix.values[5] = -0.0
        let path = try write(matrix, as: .float32, to: folder, "in")
        let packed = try convert(["w.weight"], from: path, to: .float8E4M3, into: folder)
        #expect(try values(packed, "w.weight_scale_inv") == [1, 1, 1, 1])
        #expect(storedBytes(packed, "w.weight")[5] == 0x80)
        #expect(storedBytes(packed, "w.weight").allSatisfy { $0 & 0x7f == 0 })
    }

    /// The reference's own dequantised rows, and the same with a scale of another block.
    @Test func theGoldenRowsComeOut() throws {
        let folder = try TemporaryDirectory()
        let golden = try SafetensorsFile.open(path: "\(Stored.golden)/fp8-edge/golden.safetensors")
        let expected = try #require(golden["fp8.gemm.weight_dequant_tail"]).floats()
        let name = "model.layers.0.mlp.down_proj.weight"
        let wide = try convert([name], from: "\(Stored.golden)/fp8-edge/fp8", to: .float32, into: folder)
        let tail = try Array(values(wide, name).suffix(expected.count))
        #expect(tail == expected)
        #expect(try Array(values(wide, name).prefix(expected.count)) != expected)
    }

    @Test(arguments: [ElementType.float32, .bfloat16, .float8E4M3], [Float.nan, .infinity, -.infinity])
    func whatIsNotFiniteIsRefused(_ type: ElementType, _ value: Float) throws {
        let folder = try TemporaryDirectory()
        var matrix = Matrix(300, 140)
        matrix.values[200 * 140 + 133] = value
        matrix.values[299 * 140] = .nan  // later, so not the one to be told
        for stored in [ElementType.bfloat16, .float32] {
            let path = try write(matrix, as: stored, to: folder, "\(stored)")
            for threads in [1, 3] {
                expectRefused(
                    containing: "tensor w.weight", "row 200, column 133", "\(value)".filter { $0 != "-" }
                ) {
                    _ = try convert(["w.weight"], from: path, to: type, into: folder, threads: threads)
                }
            }
        }
    }

    @Test func whatAFormatCannotHoldIsRefused() throws {
        let folder = try TemporaryDirectory()
        var matrix = Matrix(2, 3)
        matrix.values[4] = .greatestFiniteMagnitude
        let path = try write(matrix, as: .float32, to: folder, "in")
        expectRefused(containing: "tensor w.weight", "row 1, column 1", "beyond BF16") {
            _ = try convert(["w.weight"], from: path, to: .bfloat16, into: folder)
        }
        expectRefused(containing: "tensor w.weight", "block (0, 0)", "below 256") {
            _ = try convert(["w.weight"], from: path, to: .float8E4M3, into: folder)
        }
        matrix.values[4] = Float(114688).nextDown
        let near = try write(matrix, as: .float32, to: folder, "near")
        _ = try convert(["w.weight"], from: near, to: .float8E4M3, into: folder)
    }

    @Test func badCodesAndScalesAreRefused() throws {
        let folder = try TemporaryDirectory()
        let path = try write(Matrix(136, 140), as: .bfloat16, to: folder, "in")
        for type in [ElementType.float8E4M3, .bfloat16, .float32] {
            let codes = try convert(["w.weight"], from: path, to: .float8E4M3, into: folder).directory
            try patch(codes, "w.weight", at: 130 * 140 + 7, [0xff])
            expectRefused(containing: "tensor w.weight", "row 130, column 7") {
                _ = try convert(["w.weight"], from: codes, to: type, into: folder)
            }
            let scales = try convert(["w.weight"], from: path, to: .float8E4M3, into: folder).directory
            try patch(scales, "w.weight_scale_inv", at: 12, floatBytes([.nan]))
            expectRefused(containing: "tensor w.weight_scale_inv", "nan at row 1, column 1") {
                _ = try convert(["w.weight"], from: scales, to: type, into: folder)
            }
        }
    }
}
