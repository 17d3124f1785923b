// A tensor to be read row by row as Float32 values, whatever it is stored in. Knows no target.

package import GLMFiles
import GLMKernels
package import GLMWeights

/// A stored tensor seen as a matrix: leading dimensions are rows, the last is columns; an FP8 weight with its scales.
package struct SourceTensor: Sendable {
    package let stored: StoredTensor
    /// Multipliers of an FP8 weight, `[⌈rows / block rows⌉, ⌈columns / block columns⌉]`.
    package let scales: StoredTensor?
    /// Rows and columns that share a multiplier, if there are any.
    package let block: BlockShape
    /// 1 for a vector.
    package let rows: Int
    package let columns: Int

    /// - Parameter block: of the scales, or of whatever the reader wants to have blocks of.
    /// - Throws: `badInput` for FP8 without scales or not of two dimensions, and for scales that are not F32 of the
    ///   block grid's shape.
    package init(_ tensor: StoredTensor, in checkpoint: Checkpoint, block: BlockShape) throws(InputError) {
        stored = tensor
        self.block = block
        columns = tensor.shape.last ?? 1
        rows = columns == 0 ? 0 : tensor.count / columns
        guard tensor.type == .float8E4M3 else {
            scales = nil
            return
        }
        let name = tensor.name + ByteString(WeightScope.scaleSuffix)
        guard let scales = checkpoint[name] else {
            throw tensor.refusal(found: "F8_E4M3 without scales", expected: "a tensor \(name)")
        }
        guard tensor.shape.count == 2 else {
            throw tensor.refusal(found: "F8_E4M3 of shape \(tensor.shape)", expected: "two dimensions")
        }
        let grid = block.grid(rows: rows, columns: columns)
        guard scales.type == .float32, scales.shape == grid else {
            throw scales.refusal(
                found: "\(scales.type.rawValue) \(scales.shape)",
                expected: "F32 \(grid) for \(tensor.shape) in blocks of \(block.rows) × \(block.columns)")
        }
        self.scales = scales
    }

    /// Rows of blocks, the last of them maybe short.
    package var strips: Int { block.grid(rows: rows, columns: max(1, columns))[0] }
    /// Blocks across.
    package var stripBlocks: Int { block.grid(rows: rows, columns: columns)[1] }

    /// The rows of a row of blocks.
    package func rows(ofStrip strip: Int) -> Range<Int> {
        strip * block.rows..<min(rows, (strip + 1) * block.rows)
    }

    /// The multipliers of a row of blocks; all 1 without scales.
    ///
    /// - Throws: `badInput` for one that is not finite or of magnitude 256 and more, which the loader would refuse.
    package func multipliers(ofStrip strip: Int) throws(InputError) -> [Float] {
        var values = [Float](repeating: 1, count: stripBlocks)
        guard let scales else { return values }
        let first = strip * values.count
        unsafe try values.withUnsafeMutableBufferPointer { target throws(InputError) in
            guard let base = target.baseAddress else { return }
            unsafe try scales.widen(first..<first + target.count, into: base)
        }
        for (column, scale) in values.enumerated() where !(abs(scale) < 256) {
            throw scales.refusal(
                found: "the scale \(scale) at row \(strip), column \(column)",
                expected: "a finite multiplier of magnitude below 256")
        }
        return values
    }

    /// Writes the values of a row, in Float32: `code × multiplier` for FP8. Values that are not finite stay so.
    ///
    /// - Parameter multipliers: of the strip that holds the row.
    /// - Precondition: `target` has `columns` places.
    package func widen(
        row: Int, multipliers: [Float], into target: UnsafeMutablePointer<Float>
    ) throws(InputError) {
        unsafe try stored.widen(row * columns..<(row + 1) * columns, into: target)
        guard scales != nil else { return }
        for (number, multiplier) in multipliers.enumerated() {
            let first = number * block.columns
            for column in first..<min(columns, first + block.columns) {
                unsafe target[column] *= multiplier
            }
        }
    }

    /// The bytes of some rows.
    package func bytes(ofRows range: Range<Int>) -> UnsafeRawBufferPointer {
        let width = columns * stored.type.size
        return unsafe UnsafeRawBufferPointer(
            rebasing: stored.bytes[range.lowerBound * width..<range.upperBound * width])
    }

    /// Gives the memory of the whole tensor and its scales back: what pieces leave behind adds up over a large model.
    func releaseMemory() {
        for tensor in [stored, scales].compactMap({ $0 }) {
            unsafe MappedPages(of: tensor.bytes, in: tensor.owner.bytes).release()
        }
    }

    /// An error about an element that is not finite.
    package func refusal(ofElement element: Int, saying what: String, remedy: String? = nil) -> InputError {
        let width = max(1, columns)
        let place =
            stored.shape.count < 2
            ? "element \(element)" : "row \(element / width), column \(element % width)"
        return stored.refusal(found: "\(what) at \(place)", expected: "finite values", remedy: remedy)
    }
}
