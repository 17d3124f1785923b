/// What a computation cannot do without: bytes that come from memory, and floating-point operations.
///
/// Weights and cache rows count once a pass, however often loops come back to them; activations, norms and
/// what is written do not count. A multiply-add is two operations.
public struct Work: Sendable, Equatable {
    /// Bytes of weights (scales included) and cache rows.
    public var bytes: Int
    /// Floating-point operations of products, index scores and attention.
    public var operations: Int

    /// Nothing to do.
    public static let none = Work(bytes: 0, operations: 0)

    /// Both counts.
    public init(bytes: Int, operations: Int) {
        self.bytes = bytes
        self.operations = operations
    }

    /// One computation after another.
    public static func + (left: Work, right: Work) -> Work {
        Work(bytes: left.bytes + right.bytes, operations: left.operations + right.operations)
    }

    /// What the left computation does beyond the right one.
    public static func - (left: Work, right: Work) -> Work {
        Work(bytes: left.bytes - right.bytes, operations: left.operations - right.operations)
    }

    /// Another computation behind this one.
    public static func += (left: inout Work, right: Work) { left = left + right }
}

extension WeightView {
    /// Bytes of all elements and of the scales that belong to them.
    public var byteCount: Int {
        let elements = rows * columns * format.size
        guard let scales, rows > 0, columns > 0 else { return elements }
        let down = (scales.rowOrigin + rows - 1) / scales.blockRows - scales.rowOrigin / scales.blockRows + 1
        let across =
            (scales.columnOrigin + columns - 1) / scales.blockColumns
            - scales.columnOrigin / scales.blockColumns + 1
        return elements + down * across * MemoryLayout<Float>.size
    }

    /// All weights once, and a multiply-add for each weight and token; nothing without tokens.
    func work(tokens: Int) -> Work {
        tokens > 0 ? Work(bytes: byteCount, operations: 2 * tokens * rows * columns) : .none
    }
}

extension ProductGroup {
    /// The weights once, and a multiply-add for each weight and token; nothing without tokens.
    public var work: Work { weight.work(tokens: tokens) }
}
