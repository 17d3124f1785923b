import GLMKernels
import Testing

/// A matrix of random weights in memory that ends at a forbidden page, so that every test is also a test of
/// its edges.
final class StoredMatrix {
    let view: WeightView
    private let bytes: GuardedBytes
    private let scales: GuardedBytes?

    /// Where a matrix lies in its FP8 blocks.
    struct Blocks {
        var rows = 128
        var columns = 128
        var rowOrigin = 0
        var columnOrigin = 0
    }

    /// `padding` elements lie between rows; the last row has none behind it.
    init(
        _ format: WeightView.Format, rows: Int, columns: Int, padding: Int = 0, blocks: Blocks = Blocks(),
        seed: UInt64 = 1
    ) throws {
        var generator = Sequence64(seed: seed &* 1_000_003 &+ UInt64(rows &* 4099 &+ columns))
        let stride = columns + padding
        let count = rows == 0 ? 0 : (rows - 1) * stride + columns
        bytes = try GuardedBytes(count: count * format.size)
        for i in 0..<count {
            switch format {
            case .float32: bytes.base.storeBytes(of: generator.float(), toByteOffset: i * 4, as: Float.self)
            case .bfloat16:
                bytes.base.storeBytes(
                    of: BFloat16.encode(generator.float()), toByteOffset: i * 2, as: UInt16.self)
            case .float8E4M3:
                let code = UInt8(truncatingIfNeeded: generator.next())
                bytes.base.storeBytes(
                    of: Float8E4M3.isNaN(code) ? 0x38 : code, toByteOffset: i, as: UInt8.self)
            }
        }
        guard format == .float8E4M3 else {
            scales = nil
            view = WeightView(
                format: format, base: bytes.base, rows: rows, columns: columns, rowStride: stride)
            return
        }
        let across = (blocks.columnOrigin + columns + blocks.columns - 1) / blocks.columns
        let down = (blocks.rowOrigin + rows + blocks.rows - 1) / blocks.rows
        let table = try GuardedBytes((0..<across * down).map { _ in generator.float() * 0.01 })
        scales = table
        view = WeightView(
            format: format, base: bytes.base, rows: rows, columns: columns, rowStride: stride,
            scales: BlockScales(
                base: table.base, stride: across, blockRows: blocks.rows, blockColumns: blocks.columns,
                rowOrigin: blocks.rowOrigin, columnOrigin: blocks.columnOrigin))
    }
}

/// Random activations in memory that ends at a forbidden page.
func activations(_ count: Int, seed: UInt64 = 2) throws -> GuardedBytes {
    var generator = Sequence64(seed: seed &+ UInt64(count) &* 7919)
    return try GuardedBytes((0..<count).map { _ in generator.float() })
}

/// A result buffer of `count` floats that also ends at a forbidden page, filled with a value no kernel
/// computes here.
func results(_ count: Int, _ fill: (UnsafeMutablePointer<Float>) -> Void) throws -> [Float] {
    let buffer = try GuardedBytes([Float](repeating: -12345, count: count))
    fill(buffer.floats)
    return (0..<count).map { buffer.floats[$0] }
}

/// The bits, so that −0, NaN and the last place count.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Every level of this machine.
let levels = InstructionSet.available
