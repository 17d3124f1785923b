/// A matrix of stored weights somewhere in memory, `[rows, columns]`, row-major. A view: the owner of the
/// memory must outlive it.
///
/// The value of an element is an exact `Float`: the stored one (Float32), the widened one (BF16), or for FP8
/// the `Float` nearest to code value × block scale, element by element. Products are defined on these values,
/// but for FP8, where the scale enters the activation instead (`CodeOrder`).
public struct WeightView: @unchecked Sendable {
    /// How an element is stored.
    public enum Format: Int32, Sendable, CaseIterable {
        case float32, bfloat16, float8E4M3

        /// Bytes of one element.
        public var size: Int {
            switch self {
            case .float32: 4
            case .bfloat16: 2
            case .float8E4M3: 1
            }
        }
    }

    /// Format of every element.
    public var format: Format
    /// First byte of element (0, 0). Any alignment. Nothing before it or after the last element is ever read.
    public var base: UnsafeRawPointer
    /// Output elements of a product.
    public var rows: Int
    /// Input elements of a product.
    public var columns: Int
    /// Elements from one row to the next; at least `columns`.
    public var rowStride: Int
    /// Present exactly for FP8.
    public var scales: BlockScales?

    /// - Precondition: sizes are not negative, `rowStride ≥ columns` (the default), and `scales` is given
    ///   exactly for FP8.
    public init(
        format: Format, base: UnsafeRawPointer, rows: Int, columns: Int, rowStride: Int? = nil,
        scales: BlockScales? = nil
    ) {
        let stride = rowStride ?? columns
        precondition(
            rows >= 0 && columns >= 0 && stride >= columns,
            "shape [\(rows), \(columns)], row stride \(stride)")
        precondition((format == .float8E4M3) == (scales != nil), "\(format) with scales: \(scales != nil)")
        self.format = format
        self.base = base
        self.rows = rows
        self.columns = columns
        self.rowStride = stride
        self.scales = scales
    }

    /// Rows `range` as a matrix of their own, over the same memory.
    public func rows(_ range: Range<Int>) -> WeightView {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        var part = self
        part.base = base + range.lowerBound * rowStride * format.size
        part.rows = range.count
        part.scales?.rowOrigin += range.lowerBound
        return part
    }

    /// Columns `range` as a matrix of their own, over the same memory.
    public func columns(_ range: Range<Int>) -> WeightView {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
        var part = self
        part.base = base + range.lowerBound * format.size
        part.columns = range.count
        part.scales?.columnOrigin += range.lowerBound
        return part
    }

    /// The exact value of one element. Slow.
    public func value(_ row: Int, _ column: Int) -> Float {
        let index = row * rowStride + column
        switch format {
        case .float32: return base.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
        case .bfloat16: return BFloat16.decode(base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        case .float8E4M3:
            return Float8E4M3.decode(base.load(fromByteOffset: index, as: UInt8.self))
                * (scales?.scale(row, column) ?? 1)
        }
    }
}

/// The multipliers of a block-scaled FP8 matrix. The scale of element (r, c) is
/// `base[((rowOrigin + r) / blockRows) * stride + (columnOrigin + c) / blockColumns]`: a part of a matrix
/// keeps the origin of the whole, so blocks are always counted from the tensor's first element.
///
/// Every scale must be finite with magnitude below 256: the decode multiplies by scale · 2¹²⁰.
public struct BlockScales: @unchecked Sendable {
    /// Float32, any alignment.
    public var base: UnsafeRawPointer
    /// Scales from one block row to the next.
    public var stride: Int
    /// Rows that share a scale, 128 in the released checkpoints.
    public var blockRows: Int
    /// Columns that share a scale.
    public var blockColumns: Int
    /// The view's first row, counted in the whole tensor.
    public var rowOrigin: Int
    /// The view's first column, counted in the whole tensor.
    public var columnOrigin: Int

    /// - Precondition: blocks are not empty and origins are not negative.
    public init(
        base: UnsafeRawPointer, stride: Int, blockRows: Int, blockColumns: Int, rowOrigin: Int = 0,
        columnOrigin: Int = 0
    ) {
        precondition(blockRows > 0 && blockColumns > 0, "blocks of \(blockRows) × \(blockColumns)")
        precondition(rowOrigin >= 0 && columnOrigin >= 0, "origin (\(rowOrigin), \(columnOrigin))")
        self.base = base
        self.stride = stride
        self.blockRows = blockRows
        self.blockColumns = blockColumns
        self.rowOrigin = rowOrigin
        self.columnOrigin = columnOrigin
    }

    /// The scale of element (`row`, `column`) of the view these scales belong to.
    @inline(__always)
    public func scale(_ row: Int, _ column: Int) -> Float {
        let index = (rowOrigin + row) / blockRows * stride + (columnOrigin + column) / blockColumns
        return base.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
    }
}

/// Rows of a paged cache, gathered in the order of `positions`.
///
/// Position p lies in page p / 64 at row p mod 64; `pages[i]` is the first float of page i for the layer at
/// hand.
public struct KeyRows: @unchecked Sendable {
    /// Positions per page.
    public static let pageTokens = 64

    /// First float of each page for the layer at hand.
    public var pages: UnsafePointer<UnsafePointer<Float>>
    /// Floats from one row to the next.
    public var width: Int
    /// The positions to read, `count` of them; nil means 0 ..< count.
    public var positions: UnsafePointer<Int32>?
    /// Rows gathered.
    public var count: Int

    /// - Precondition: `width` and `count` are not negative; every position lies in a page.
    public init(
        pages: UnsafePointer<UnsafePointer<Float>>, width: Int, positions: UnsafePointer<Int32>? = nil,
        count: Int
    ) {
        precondition(width >= 0 && count >= 0, "\(count) rows of \(width)")
        self.pages = pages
        self.width = width
        self.positions = positions
        self.count = count
    }

    /// The `index`-th gathered row.
    @inline(__always)
    public func row(_ index: Int) -> UnsafePointer<Float> {
        let position = positions.map { Int($0[index]) } ?? index
        return pages[position &>> 6] + (position & 63) &* width
    }
}
