import GLMFiles
import GLMKernels
import GLMTestSupport
import GLMWeights
import Testing

/// A one-file checkpoint of tensors given as type, shape and bytes.
func checkpoint(
    _ tensors: [(name: String, type: ElementType, shape: [Int], bytes: [UInt8])],
    in directory: TemporaryDirectory
) throws -> Checkpoint {
    let descriptions = tensors.map { TensorDescription(ByteString($0.name), $0.type, $0.shape) }
    let writer = try SafetensorsWriter(path: directory.file("model.safetensors"), tensors: descriptions)
    for tensor in tensors { try writer.write(tensor.bytes) }
    try writer.commit()
    return try Checkpoint.open(directory: directory.path)
}

struct WeightScopeTests {
    private let ones: [UInt8] = floatBytes([1, 2, 3, 4, 5, 6])

    @Test func readsByScopeAndShape() throws {
        let directory = try TemporaryDirectory()
        let weights = try checkpoint(
            [
                ("norm", .bfloat16, [2], [0x80, 0x3f, 0, 0x40]), ("layers.0.w", .float32, [2, 3], ones),
                ("layers.0.half", .float16, [1, 2], [0x00, 0x3c, 0x00, 0xc0]),
            ], in: directory)
        let top = WeightScope(weights, block: nil)
        #expect(try top.vector("norm", count: 2) == [1, 2])
        let layer = top.scope("layers").scope("0")
        let matrix = try layer.matrix("w", rows: 2, columns: 3)
        #expect(matrix.rows == 2 && matrix.columns == 3 && matrix.ownedBytes == 0)
        #expect(matrix.view.value(1, 2) == 6)
        let half = try layer.matrix("half", rows: 1, columns: 2)
        #expect(half.view.value(0, 0) == 1 && half.view.value(0, 1) == -2)
        #expect(half.storedType == .float16 && half.view.format == .float32 && half.ownedBytes == 8)
        try top.finish()
    }

    @Test func disagreements() throws {
        let directory = try TemporaryDirectory()
        let weights = try checkpoint(
            [("w", .float32, [2, 3], ones), ("i", .int32, [6], ones), ("e", .float8E5M2, [1, 2], [0, 0])],
            in: directory)
        let top = WeightScope(weights, block: nil)
        expectRefused(containing: "tensor w: shape [2, 3]; expected [3, 2]") {
            _ = try top.matrix("w", rows: 3, columns: 2)
        }
        expectRefused(containing: "tensor w: shape [2, 3]; expected [6]") {
            _ = try top.vector("w", count: 6)
        }
        expectRefused(containing: "tensor i: I32") { _ = try top.vector("i", count: 6) }
        expectRefused(containing: "tensor e: F8_E5M2") { _ = try top.matrix("e", rows: 1, columns: 2) }
    }

    @Test func leftOversAreListed() throws {
        let directory = try TemporaryDirectory()
        let empty: [UInt8] = []
        let names = ["a", "layers.3.embed_tokens.weight", "layers.3.x", "layers.31.x"]
        let weights = try checkpoint(names.map { ($0, .float32, [0], empty) }, in: directory)
        let top = WeightScope(weights, block: nil)
        expectRefused(containing: "4 left over: a, layers.3.embed_tokens.weight, layers.3.x, layers.31.x") {
            try top.finish()
        }
        _ = try top.vector("a", count: 0)
        #expect(top.has("layers.3.x"))
        top.scope("layers.3").ignore("embed_tokens.weight", "shared_head.head.weight")
        expectRefused(containing: "2 left over: layers.3.x, layers.31.x") { try top.finish() }
        top.scope("layers.3").ignoreAll()
        expectRefused(containing: "1 left over: layers.31.x") { try top.finish() }
        _ = try top.matrix("b", rows: 1, columns: 1)
        _ = try top.scope("layers.0").vector("c", count: 3)
        expectRefused(containing: "2 missing: b, layers.0.c; 1 left over: layers.31.x") { try top.finish() }
    }
}

struct WeightMatrixFP8Tests {
    private let block = BlockShape(rows: 2, columns: 3)
    /// 3 × 4 in blocks of 2 × 3: short blocks both ways.
    private let codes: [UInt8] = [0x38, 0x38, 0x38, 0x38, 0x40, 0x40, 0x40, 0x40, 0xb8, 0xb8, 0xb8, 0xb8]

    private func weights(
        _ codes: [UInt8]? = nil, scales: [Float] = [1, 2, 4, 8], shape: [Int] = [2, 2],
        type: ElementType = .float32,
        in directory: TemporaryDirectory
    ) throws -> Checkpoint {
        try checkpoint(
            [
                ("w", .float8E4M3, [3, 4], codes ?? self.codes),
                (
                    "w_scale_inv", type, shape,
                    type == .float32 ? floatBytes(scales) : [UInt8](repeating: 0, count: 8)
                ),
            ], in: directory)
    }

    @Test func shortEdgeBlocks() throws {
        let directory = try TemporaryDirectory()
        let top = WeightScope(try weights(in: directory), block: block)
        let matrix = try top.matrix("w", rows: 3, columns: 4)
        let values = (0..<3).map { row in (0..<4).map { matrix.view.value(row, $0) } }
        #expect(values == [[1, 1, 1, 2], [2, 2, 2, 4], [-4, -4, -4, -8]])
        try top.finish()
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity, 256, -256, 1e30])
    func badScales(_ scale: Float) throws {
        let directory = try TemporaryDirectory()
        let top = WeightScope(try weights(scales: [1, 2, scale, 8], in: directory), block: block)
        expectRefused(containing: "tensor w_scale_inv: the scale", "row 1, column 0", "below 256") {
            _ = try top.matrix("w", rows: 3, columns: 4)
        }
    }

    @Test(arguments: [Float(0), -0.0, 255.99998, -255.99998, 0x1p-149])
    func goodScales(_ scale: Float) throws {
        let directory = try TemporaryDirectory()
        let top = WeightScope(try weights(scales: [1, 2, scale, 8], in: directory), block: block)
        _ = try top.matrix("w", rows: 3, columns: 4)
    }

    @Test func scalesOfAnotherShape() throws {
        let directory = try TemporaryDirectory()
        for shape in [[4, 1], [1, 4], [4], [2, 2, 1]] {
            let top = WeightScope(try weights(shape: shape, in: directory), block: block)
            expectRefused(containing: "tensor w_scale_inv: F32 \(shape); expected F32 [2, 2]") {
                _ = try top.matrix("w", rows: 3, columns: 4)
            }
        }
        let top = WeightScope(try weights(type: .bfloat16, in: directory), block: block)
        expectRefused(containing: "BF16 [2, 2]; expected F32") {
            _ = try top.matrix("w", rows: 3, columns: 4)
        }
    }

    @Test func scalesMissingOrNotAskedFor() throws {
        let directory = try TemporaryDirectory()
        let bare = try checkpoint([("w", .float8E4M3, [3, 4], codes)], in: directory)
        expectRefused(containing: "F8_E4M3 without scales", "w_scale_inv") {
            _ = try WeightScope(bare, block: block).matrix("w", rows: 3, columns: 4)
        }
        let scaled = try weights(in: directory)
        expectRefused(containing: "weight_block_size") {
            _ = try WeightScope(scaled, block: nil).matrix("w", rows: 3, columns: 4)
        }
        // A scale beside a weight of another type is left over.
        let plain = try checkpoint(
            [("w", .float32, [1, 1], floatBytes([1])), ("w_scale_inv", .float32, [1, 1], floatBytes([1]))],
            in: directory)
        let top = WeightScope(plain, block: block)
        _ = try top.matrix("w", rows: 1, columns: 1)
        expectRefused(containing: "1 left over: w_scale_inv") { try top.finish() }
    }

    @Test func outlivesTheCheckpoint() throws {
        let directory = try TemporaryDirectory()
        let matrix = try WeightScope(try weights(in: directory), block: block).matrix(
            "w", rows: 3, columns: 4)
        #expect(matrix.view.value(2, 3) == -8)
    }
}
