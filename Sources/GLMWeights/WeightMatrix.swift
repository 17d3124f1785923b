// A matrix of weights in the format it is stored in, together with whatever keeps its memory alive.

import GLMFiles
package import GLMKernels
public import GLMTensor

/// A weight `[rows, columns]` (`[out, in]`), row-major, in the mapped file, or copied into memory of its own: what was F16, and narrow
/// shares of devices.
///
/// The view is valid as long as a copy of this value.
@safe
public struct WeightMatrix: @unchecked Sendable {
    package let view: WeightView
    /// The type in the file: differs from the view's format for F16 alone.
    package let storedType: ElementType
    // Sendable: constant memory.
    private let memory: WeightMemory

    /// Output elements of a product with it.
    public var rows: Int { view.rows }
    /// Input elements of a product with it.
    public var columns: Int { view.columns }
    /// Bytes of anonymous memory that this matrix owns beside the mapping.
    package var ownedBytes: Int { ownsMemory ? rows * columns * view.format.size : 0 }
    private var ownsMemory: Bool { memory.owned != nil }

    /// A matrix of one's own, copied into Float32 memory: `[rows, columns]`.
    ///
    /// - Precondition: `tensor` has two dimensions and at least one element.
    public init(_ tensor: Tensor) {
        precondition(tensor.shape.count == 2 && !tensor.values.isEmpty, "shape \(tensor.shape)")
        self.init(
            owning: OwnedMemory(copying: tensor.values), rows: tensor.shape[0], columns: tensor.shape[1])
    }

    /// Stands for a tensor that the checkpoint lacks, until ``WeightScope/finish()`` says so; must not be multiplied by.
    init(missingRows rows: Int, columns: Int) {
        self.init(owning: OwnedMemory(copying: [0]), rows: rows, columns: columns)
    }

    private init(owning storage: OwnedMemory, rows: Int, columns: Int) {
        memory = WeightMemory(owned: storage)
        storedType = .float32
        unsafe view = WeightView(
            format: .float32, base: UnsafeRawPointer(storage.base), rows: rows, columns: columns)
    }

    /// FP8 codes of one's own and one multiplier per block, copied.
    ///
    /// - Parameters:
    ///   - codes: E4M3 codes `[rows, columns]`, row-major.
    ///   - scales: `[⌈rows / block rows⌉, ⌈columns / block columns⌉]`, finite and of magnitude below 256.
    ///   - blockRows: height of a block; the last block of a column may be shorter.
    ///   - blockColumns: width of a block.
    /// - Precondition: the shapes agree; there is at least one element.
    public init(
        codes: [UInt8], scales multipliers: Tensor, rows: Int, columns: Int, blockRows: Int, blockColumns: Int
    ) {
        precondition(
            rows > 0 && columns > 0 && codes.count == rows * columns,
            "\(codes.count) codes of \(rows) × \(columns)")
        let grid = BlockShape(rows: blockRows, columns: blockColumns).grid(rows: rows, columns: columns)
        precondition(multipliers.shape == grid, "scales \(multipliers.shape), expected \(grid)")
        precondition(
            multipliers.values.allSatisfy { abs($0) < 256 },
            "a scale of magnitude 256 or more, or not a number")
        let storage = OwnedMemory(codes: codes, scales: multipliers.values)
        memory = WeightMemory(owned: storage)
        storedType = .float8E4M3
        unsafe view = WeightView(
            format: .float8E4M3, base: UnsafeRawPointer(storage.base + multipliers.values.count * 4),
            rows: rows,
            columns: columns,
            scales: BlockScales(
                base: UnsafeRawPointer(storage.base), stride: grid[1], blockRows: blockRows,
                blockColumns: blockColumns))
    }

    /// Every element: the Float32 rounding of value × block scale, `[rows, columns]`. (Float32 products round
    /// activation × scale instead.)
    ///
    /// Source: specification §7.2. Copies the whole matrix.
    public func dequantized() -> Tensor {
        Tensor(shape: [rows, columns], values: (0..<rows).flatMap { row($0) })
    }

    /// A row widened to Float32, scales applied: `[columns]`.
    package func row(_ index: Int) -> [Float] {
        precondition((0..<rows).contains(index), "row \(index) of \(rows)")
        return (0..<columns).map { view.value(index, $0) }
    }

    /// A part of this matrix, over the same memory: FP8 blocks are still counted from the whole tensor's origin.
    ///
    /// - Precondition: the part lies inside.
    package func part(_ part: MatrixPart) -> WeightMatrix {
        WeightMatrix(self, view: view.rows(part.rows).columns(part.columns))
    }

    private init(_ origin: WeightMatrix, view: WeightView, memory: WeightMemory? = nil) {
        self.view = view
        storedType = origin.storedType
        self.memory = memory ?? origin.memory
    }

    /// Bytes of a row below which a share of the columns is worth a copy: two lines of a cache.
    ///
    /// Where they lie most of the lines that such rows touch belong to neighbours too: reading them in place takes two to three times
    /// as long.
    private static let narrowRow = 128

    /// Whether this part of `whole` has a few bytes of each row.
    func isNarrowPart(of whole: WeightMatrix) -> Bool {
        columns < whole.columns && columns * view.format.size < Self.narrowRow
    }

    /// Whether this part of `whole` keeps memory that nobody else needs.
    func keepsTooMuch(of whole: WeightMatrix) -> Bool {
        whole.ownsMemory && rows * columns < whole.rows * whole.columns
    }

    /// The same elements in memory of their own, row behind row; scales stay where they are. Nil where there is no memory.
    /// - Precondition: scales, if any, lie in a file.
    func copied() -> WeightMatrix? {
        precondition(view.scales == nil || memory.scales != nil, "scales that the copy would not keep")
        guard let storage = OwnedMemory(copying: view) else { return nil }
        let copy = unsafe WeightView(
            format: view.format, base: UnsafeRawPointer(storage.base), rows: rows, columns: columns,
            scales: view.scales)
        return WeightMatrix(self, view: copy, memory: WeightMemory(scales: memory.scales, owned: storage))
    }

    /// A matrix of F32, BF16 or F16.
    ///
    /// - Precondition: `tensor` has two dimensions.
    /// - Throws: `badInput` for any other type, FP8 without scales included.
    init(_ tensor: StoredTensor) throws(InputError) {
        precondition(tensor.shape.count == 2, "shape \(tensor.shape)")
        storedType = tensor.type
        let format: WeightView.Format
        switch tensor.type {
        case .float32: format = .float32
        case .bfloat16: format = .bfloat16
        case .float16:
            let storage = try OwnedMemory(widening: tensor)
            memory = WeightMemory(owned: storage)
            unsafe view = WeightView(
                format: .float32, base: UnsafeRawPointer(storage.base), rows: tensor.shape[0],
                columns: tensor.shape[1])
            return
        default:
            throw tensor.refusal(
                found: "\(tensor.type.rawValue)", expected: "F32, BF16, F16 or F8_E4M3 with scales")
        }
        memory = WeightMemory(weights: tensor.owner)
        unsafe view = WeightView(
            format: format, base: try tensor.base(), rows: tensor.shape[0], columns: tensor.shape[1])
    }

    /// A matrix of F8_E4M3 with one multiplier per block; edge blocks may be short.
    ///
    /// - Parameter block: rows and columns of a block.
    /// - Precondition: `tensor` is F8_E4M3 of two dimensions, block sizes are positive.
    /// - Throws: `badInput` for scales that are not F32 of shape `[⌈rows/block.rows⌉, ⌈columns/block.columns⌉]`, not
    ///   finite, or of magnitude 256 and more (the decode in the kernels multiplies by scale · 2¹²⁰).
    init(_ tensor: StoredTensor, scales stored: StoredTensor, block: BlockShape) throws(InputError) {
        precondition(tensor.type == .float8E4M3 && tensor.shape.count == 2, "\(tensor.type) \(tensor.shape)")
        let shape = block.grid(rows: tensor.shape[0], columns: tensor.shape[1])
        guard stored.type == .float32, stored.shape == shape else {
            throw stored.refusal(
                found: "\(stored.type.rawValue) \(stored.shape)",
                expected: "F32 \(shape) for \(tensor.shape) in blocks of \(block.rows) × \(block.columns)")
        }
        for (index, scale) in try stored.floats().enumerated() where !(abs(scale) < 256) {
            throw stored.refusal(
                found: "the scale \(scale) at row \(index / shape[1]), column \(index % shape[1])",
                expected: "a finite multiplier of magnitude below 256")
        }
        memory = WeightMemory(weights: tensor.owner, scales: stored.owner)
        storedType = tensor.type
        let multipliers = unsafe BlockScales(
            base: try stored.base(), stride: shape[1], blockRows: block.rows, blockColumns: block.columns)
        unsafe view = WeightView(
            format: .float8E4M3, base: try tensor.base(), rows: tensor.shape[0], columns: tensor.shape[1],
            scales: multipliers)
    }
}

/// Keeps alive what a view points into: one reference, since every product copies its matrices.
private final class WeightMemory: Sendable {
    let weights: MappedFile?
    let scales: MappedFile?
    let owned: OwnedMemory?

    init(weights: MappedFile? = nil, scales: MappedFile? = nil, owned: OwnedMemory? = nil) {
        self.weights = weights
        self.scales = scales
        self.owned = owned
    }
}

/// Which rows and columns of a matrix.
package struct MatrixPart: Sendable, Equatable {
    package var rows: Range<Int>
    package var columns: Range<Int>

    package init(rows: Range<Int>, columns: Range<Int>) {
        self.rows = rows
        self.columns = columns
    }
}

/// Size of the blocks that share one FP8 multiplier.
package struct BlockShape: Sendable, Equatable {
    package let rows: Int
    package let columns: Int

    /// - Precondition: both are positive.
    package init(rows: Int, columns: Int) {
        precondition(rows > 0 && columns > 0, "blocks of \(rows) × \(columns)")
        self.rows = rows
        self.columns = columns
    }

    /// Blocks down and across a matrix, short ones at the edges counted.
    package func grid(rows: Int, columns: Int) -> [Int] {
        [
            rows / self.rows + (rows % self.rows == 0 ? 0 : 1),
            columns / self.columns + (columns % self.columns == 0 ? 0 : 1),
        ]
    }
}

extension StoredTensor {
    /// - Throws: `badInput` for a tensor without elements.
    fileprivate func base() throws(InputError) -> UnsafeRawPointer {
        guard count > 0, let base = unsafe bytes.baseAddress else {
            throw refusal(found: "shape \(shape)", expected: "at least one element")
        }
        return unsafe base
    }
}
