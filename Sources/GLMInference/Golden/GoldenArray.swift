/// One named quantity of a golden file: Float32 values, or integers compared exactly.
package struct GoldenArray: Sendable, Equatable {
    package enum Values: Sendable, Equatable {
        case float([Float])
        case integer([Int32])
        /// Sets, one byte a member.
        case flag([UInt8])
    }

    package let shape: [Int]
    package let values: Values

    package init(shape: [Int], values: Values) {
        self.shape = shape
        self.values = values
    }

    /// Stacks equally shaped arrays along a new first axis.
    package static func stack(_ rows: [[Float]], shape: [Int]) -> GoldenArray {
        GoldenArray(shape: [rows.count] + shape, values: .float(rows.flatMap { $0 }))
    }
}
