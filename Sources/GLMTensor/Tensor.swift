/// A row-major, contiguous array of Float32 with a shape: the one currency between layers.
///
/// A value: copies are independent, two tensors never alias. It knows nothing of weights, which stay where
/// the file maps them, nor of caches, which are paged.
public struct Tensor: Sendable, Equatable {
    /// Extents, outermost first; `[]` is a scalar.
    public var shape: [Int] { extents.array }
    private let extents: Extents
    /// The elements, last index fastest.
    public var values: [Float]

    /// Wraps `values`.
    /// - Precondition: `values.count` equals the product of `shape`.
    public init(shape: [Int], values: [Float]) {
        extents = Extents(shape)
        precondition(
            values.count == extents.count,
            "shape \(shape) holds \(extents.count) elements, found \(values.count)")
        self.values = values
    }

    /// A tensor of zeros.
    public init(zeros shape: [Int]) {
        self.init(shape: shape, values: [Float](repeating: 0, count: shape.reduce(1, *)))
    }

    /// A tensor `[rows, width]` whose elements `fill` writes, every one of them, before it returns. No array is made for the
    /// shape: some dozens of tensors are made in every layer.
    package init(rows: Int, width: Int, fill: (UnsafeMutablePointer<Float>) -> Void) {
        unsafe self.init(.matrix(rows, width), fill: fill)
    }

    /// The same of `[rows, heads, width]`.
    package init(rows: Int, heads: Int, width: Int, fill: (UnsafeMutablePointer<Float>) -> Void) {
        unsafe self.init(.heads(rows, heads, width), fill: fill)
    }

    private init(_ extents: Extents, fill: (UnsafeMutablePointer<Float>) -> Void) {
        let count = extents.count
        self.extents = extents
        unsafe values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { unsafe fill(base) }
            initialized = count
        }
    }

    /// Number of rows when the tensor is seen as a matrix `[rows, width]`: the product of all extents but the
    /// last.
    package var rowCount: Int { extents.rowCount }
    /// The last extent; 1 for a scalar.
    package var width: Int { extents.width }

    /// Whether both have the same extents.
    package func hasShape(of other: Tensor) -> Bool { extents == other.extents }

    /// The same elements under another shape.
    /// - Precondition: both shapes hold the same number of elements.
    public func reshaped(_ shape: [Int]) -> Tensor { Tensor(shape: shape, values: values) }

    /// Row `index` of the matrix view, as an array of `width` elements.
    /// - Precondition: `0 ..< rowCount` contains `index`.
    public func row(_ index: Int) -> ArraySlice<Float> {
        precondition((0..<rowCount).contains(index), "row \(index) of \(rowCount)")
        return values[(index * width)..<((index + 1) * width)]
    }

    /// The rows at `indices` of the matrix view, in that order: `[indices.count, width]`.
    package func rows(_ indices: [Int]) -> Tensor {
        var gathered: [Float] = []
        gathered.reserveCapacity(indices.count * width)
        for index in indices { gathered.append(contentsOf: row(index)) }
        return Tensor(shape: [indices.count, width], values: gathered)
    }

    /// Columns `range` of the matrix view: `[rowCount, range.count]`.
    package func columns(_ range: Range<Int>) -> Tensor {
        precondition(range.upperBound <= width, "columns \(range) of \(width)")
        var gathered: [Float] = []
        gathered.reserveCapacity(rowCount * range.count)
        for index in 0..<rowCount {
            gathered.append(
                contentsOf: values[(index * width + range.lowerBound)..<(index * width + range.upperBound)])
        }
        return Tensor(shape: [rowCount, range.count], values: gathered)
    }

    /// The rows of both, side by side: `[rows, width + other.width]`.
    package func beside(_ other: Tensor) -> Tensor {
        precondition(rowCount == other.rowCount, "\(rowCount) rows beside \(other.rowCount)")
        var joined: [Float] = []
        joined.reserveCapacity(values.count + other.values.count)
        for index in 0..<rowCount {
            joined.append(contentsOf: row(index))
            joined.append(contentsOf: other.row(index))
        }
        return Tensor(shape: [rowCount, width + other.width], values: joined)
    }

    /// Adds the rows of another tensor of the same width behind those here, in the time that they take.
    package mutating func append(_ below: Tensor) {
        precondition(width == below.width, "rows of \(below.width) behind rows of \(width)")
        let count = rowCount + below.rowCount
        var rows: [Float] = []
        swap(&rows, &values)
        rows.append(contentsOf: below.values)
        self = Tensor(shape: [count, below.width], values: rows)
    }
}

/// Extents of a tensor; those of two and three dimensions need no memory of their own.
private enum Extents: Sendable, Equatable {
    case matrix(Int, Int)
    case heads(Int, Int, Int)
    case other([Int])

    init(_ shape: [Int]) {
        switch shape.count {
        case 2: self = .matrix(shape[0], shape[1])
        case 3: self = .heads(shape[0], shape[1], shape[2])
        default: self = .other(shape)
        }
    }

    var array: [Int] {
        switch self {
        case .matrix(let rows, let width): [rows, width]
        case .heads(let rows, let heads, let width): [rows, heads, width]
        case .other(let shape): shape
        }
    }

    var rowCount: Int {
        switch self {
        case .matrix(let rows, _): rows
        case .heads(let rows, let heads, _): rows * heads
        case .other(let shape): shape.dropLast().reduce(1, *)
        }
    }

    var width: Int {
        switch self {
        case .matrix(_, let width), .heads(_, _, let width): width
        case .other(let shape): shape.last ?? 1
        }
    }

    /// Elements.
    var count: Int { rowCount * width }
}
