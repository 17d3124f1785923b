// Finds infinities and NaN among stored elements without widening them.

package import GLMWeights

/// The non-finite elements in a run of bytes.
package struct NonFinite: Sendable, Equatable {
    /// How many there are.
    package var count = 0
    /// Index of the first, in elements of the run.
    package var first: Int?

    /// Looks at `bytes` as elements of `type`; integer types have none. F8_E4M3 has NaN only, as 0x7f and 0xff.
    ///
    /// - Precondition: `bytes` holds whole elements.
    package init(in bytes: UnsafeRawBufferPointer, type: ElementType) {
        precondition(bytes.count % type.size == 0, "\(bytes.count) bytes of \(type.rawValue)")
        switch type {
        case .float8E4M3: unsafe look(UInt8.self, in: bytes, exponent: 0x7f)
        case .float8E5M2: unsafe look(UInt8.self, in: bytes, exponent: 0x7c)
        case .float8E8M0: unsafe look(UInt8.self, in: bytes, exponent: 0xff)
        case .bfloat16: unsafe look(UInt16.self, in: bytes, exponent: 0x7f80)
        case .float16: unsafe look(UInt16.self, in: bytes, exponent: 0x7c00)
        case .float32: unsafe look(UInt32.self, in: bytes, exponent: 0x7f80_0000)
        case .float64: unsafe look(UInt64.self, in: bytes, exponent: 0x7ff0_0000_0000_0000)
        case .bool, .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: break
        }
    }

    /// An element is not finite when all bits of `exponent` are set in it.
    @inline(__always)
    private mutating func look<Element: FixedWidthInteger & BitwiseCopyable>(
        _: Element.Type, in bytes: UnsafeRawBufferPointer, exponent: Element
    ) {
        guard let base = bytes.baseAddress else { return }
        let size = MemoryLayout<Element>.size
        let total = bytes.count / size
        let mask = exponent.littleEndian
        var found = 0
        for index in 0..<total {
            let element = unsafe base.loadUnaligned(fromByteOffset: index &* size, as: Element.self)
            found &+= element & mask == mask ? 1 : 0
        }
        count = found
        guard found > 0 else { return }
        first = (0..<total).first { index in
            unsafe base.loadUnaligned(fromByteOffset: index &* size, as: Element.self) & mask == mask
        }
    }
}
