// The element types of safetensors. Knows their names and sizes, not their values.

/// What a stored tensor's elements are; the raw value is the `dtype` of the format.
///
/// Source: safetensors 0.5, `Dtype`. Its types of less than a byte (F4, F6) are refused by name.
package enum ElementType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8E5M2 = "F8_E5M2"
    case float8E4M3 = "F8_E4M3"
    case float8E8M0 = "F8_E8M0"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }

    /// Bytes of a tensor of this type and `shape`; nil when a dimension is negative or the product exceeds `Int`.
    ///
    /// The product is taken in order, as the format's reference does: [0, 2⁶², 2⁶²] is 0 bytes, [2⁶², 2⁶², 0] is refused.
    package func byteCount(shape: [Int]) -> Int? {
        var total = 1
        for dimension in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
            guard dimension >= 0, !overflow else { return nil }
            total = product
        }
        let (bytes, overflow) = total.multipliedReportingOverflow(by: size)
        return overflow ? nil : bytes
    }
}
