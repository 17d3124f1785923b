// One tensor's way from the source to the target: what is read, what is written. Knows no file and no number.

import GLMFiles
package import GLMWeights

/// A tensor of the target, an FP8 weight together with its scales.
package struct ConversionUnit: Sendable {
    package enum Operation: Sendable, Equatable {
        /// Byte by byte, the scales of an FP8 weight too.
        case copy
        /// Widened to Float32, then rounded to the element type of the target, which is F32 or BF16.
        case store
        /// To FP8 codes and scales.
        case quantize(ScaleFormat)
    }

    package let source: SourceTensor
    package let operation: Operation
    /// What is written: the values, and for an FP8 weight behind them its scales.
    package let outputs: [TensorDescription]

    /// - Parameter quantizesAnew: whether FP8 codes that are there are not good enough.
    package init(
        _ source: SourceTensor, to type: ElementType, scaleFormat: ScaleFormat = .float32,
        quantizesAnew: Bool = false
    ) {
        self.source = source
        let stored = source.stored
        let values = TensorDescription(stored.name, type, stored.shape)
        let grid = TensorDescription(
            stored.name + ByteString(WeightScope.scaleSuffix), .float32,
            source.block.grid(rows: source.rows, columns: source.columns))
        switch (stored.type, type) {
        case (.float8E4M3, .float8E4M3) where !quantizesAnew:
            (operation, outputs) = (.copy, [values, grid])
        case (_, .float8E4M3):
            (operation, outputs) = (.quantize(scaleFormat), [values, grid])
        case (let old, let new) where old == new:
            (operation, outputs) = (.copy, [values])
        default:
            (operation, outputs) = (.store, [values])
        }
    }

    /// Bytes of all outputs.
    package var byteCount: Int { outputs.reduce(0) { $0 + $1.byteCount } }

    /// Whether the work is cut into rows of blocks, not into runs of elements.
    var isBlocked: Bool { outputs.count > 1 || source.scales != nil }
}
