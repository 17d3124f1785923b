// Small matrices through a conversion, and whole small checkpoints.

import Foundation
import GLMConversion
import GLMFiles
import GLMKernels
import GLMSynthesis
import GLMTestSupport
import GLMWeights

/// A matrix of a test.
struct Matrix {
    var rows: Int
    var columns: Int
    var values: [Float]

    /// Values of a fixed pseudo-random sequence around `size`, already rounded to BF16.
    init(_ rows: Int, _ columns: Int, size: Float = 0.05, seed: UInt64 = 1) {
        self.rows = rows
        self.columns = columns
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        values = (0..<rows * columns).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let uniform = Float(Int64(bitPattern: state) >> 40) * 0x1p-23
            return BFloat16.decode(BFloat16.encode(uniform * size))
        }
    }

    /// As BF16 or F32 tensors have them.
    func bytes(_ type: ElementType) -> [UInt8] {
        guard type == .bfloat16 else { return floatBytes(values) }
        return values.flatMap { value -> [UInt8] in
            let code = BFloat16.encode(value)
            return [UInt8(truncatingIfNeeded: code), UInt8(truncatingIfNeeded: code >> 8)]
        }
    }
}

/// Writes a folder with the one tensor `w.weight`.
func write(_ matrix: Matrix, as type: ElementType, to folder: TemporaryDirectory, _ name: String) throws
    -> String
{
    let path = try folder.directory(name)
    let writer = try SafetensorsWriter(
        path: "\(path)/model.safetensors",
        tensors: [TensorDescription("w.weight", type, [matrix.rows, matrix.columns])])
    try writer.write(matrix.bytes(type))
    try writer.commit()
    return path
}

/// Converts the named tensors of a folder, without any configuration, and opens what comes out.
func convert(
    _ names: [String], from path: String, to type: ElementType, _ scaleFormat: ScaleFormat = .float32,
    anew: Bool = false, into folder: TemporaryDirectory, threads: Int = 1
) throws -> Checkpoint {
    let checkpoint = try Checkpoint.open(directory: path)
    let block = BlockShape(rows: 128, columns: 128)
    let units = try names.map { name in
        guard let tensor = checkpoint[ByteString(name)] else {
            throw InputError(.badInput, file: path, subject: name, found: "nothing")
        }
        return ConversionUnit(
            try SourceTensor(tensor, in: checkpoint, block: block), to: type, scaleFormat: scaleFormat,
            quantizesAnew: anew)
    }
    let shard = ConvertedShard(fileName: "model.safetensors", units: units)
    let target = try folder.directory("converted-\(UUID().uuidString)")
    let file = try StagedFile(path: "\(target)/model.safetensors", size: shard.byteCount, reserves: true)
    try shard.write(into: file, pool: ThreadPool(threads: threads))
    try file.commit()
    return try Checkpoint.open(directory: target)
}

/// The bytes of a tensor; none when there is no such tensor.
func storedBytes(_ checkpoint: Checkpoint, _ name: String) -> [UInt8] {
    checkpoint[ByteString(name)].map { Array($0.bytes) } ?? []
}

/// The values of a tensor with its scales, if it has any.
func values(_ checkpoint: Checkpoint, _ name: String) throws -> [Float] {
    guard let tensor = checkpoint[ByteString(name)] else { return [] }
    let source = try SourceTensor(tensor, in: checkpoint, block: BlockShape(rows: 128, columns: 128))
    var values = [Float](repeating: 0, count: source.rows * source.columns)
    try values.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        for row in 0..<source.rows {
            let multipliers = try source.multipliers(ofStrip: row / 128)
            try source.widen(row: row, multipliers: multipliers, into: base + row * source.columns)
        }
    }
    return values
}

/// A synthetic checkpoint on the disk.
func makeNano(
    _ format: CheckpointFormat, in folder: TemporaryDirectory, _ name: String, shards: Int = 1,
    seed: UInt64 = 1
) throws -> String {
    let model = try SyntheticModel(.nano, format: format, seed: seed)
    try CheckpointWriter(model, shards: shards).write(
        to: folder.file(name), replaces: false, pool: ThreadPool(threads: 1))
    return folder.file(name)
}

/// Converts a whole checkpoint.
func convert(
    _ path: String, to target: String, _ options: ConversionOptions, threads: Int = 1, replaces: Bool = false,
    _ surroundings: StagedCheckpoint.Surroundings = .init()
) throws {
    let plan = try ConversionPlan(Checkpoint.open(directory: path), options)
    try CheckpointConverter(plan).write(
        to: target, replaces: replaces, pool: ThreadPool(threads: threads), surroundings: surroundings)
}

/// Name, type, shape and bytes of every tensor, whatever the files.
func inventory(_ path: String) throws -> [String: [UInt8]] {
    let checkpoint = try Checkpoint.open(directory: path)
    return Dictionary(
        uniqueKeysWithValues: checkpoint.tensors.map {
            ("\($0.name) \($0.type.rawValue) \($0.shape)", Array($0.bytes))
        })
}

/// The names in a folder, sorted.
func fileNames(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
}

/// Changes bytes of a tensor in its file.
func patch(_ path: String, _ name: String, at offset: Int, _ bytes: [UInt8]) throws {
    let place: (file: String, offset: Int)
    do {
        let tensor = try Checkpoint.open(directory: path)[ByteString(name)]
        guard let tensor, let base = tensor.bytes.baseAddress, let start = tensor.owner.bytes.baseAddress
        else {
            throw InputError(.badInput, file: path, subject: name, found: "nothing")
        }
        place = (tensor.file, base - start + offset)
    }
    var data = try fileBytes(place.file)
    data.replaceSubrange(place.offset..<place.offset + bytes.count, with: bytes)
    try Data(data).write(to: URL(fileURLWithPath: place.file))
}

/// Replaces text in a file.
func edit(_ path: String, _ old: String, _ new: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard text.contains(old) else { throw InputError(.badInput, file: path, found: "no \(old)") }
    try text.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
}

/// Folders that are in the repository.
enum Stored {
    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
        .path
    static let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "GLMModelTests/Golden").path
}
