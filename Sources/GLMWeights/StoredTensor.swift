// One tensor in a mapped file, and its values as numbers.

package import GLMFiles
internal import GLMKernels

/// A tensor as it is stored; `bytes` are valid as long as the value, which keeps the file mapped.
@safe
package struct StoredTensor: @unchecked Sendable {
    package let name: ByteString
    package let type: ElementType
    /// Row-major; empty for a scalar.
    package let shape: [Int]
    /// `type.size` times the product of `shape`, at any alignment. Never written.
    package let bytes: UnsafeRawBufferPointer
    package let owner: MappedFile

    // Sendable: constant, and the pages are read-only.
    init(_ entry: SafetensorsHeader.Entry, in file: MappedFile) {
        name = entry.name
        type = entry.type
        shape = entry.shape
        unsafe bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
        owner = file
    }

    /// Path of the file it lies in.
    package var file: String { owner.path }

    /// Number of elements.
    package var count: Int { unsafe bytes.count / type.size }

    /// All values widened to Float32, exactly, in row-major order.
    ///
    /// F32, BF16, F16 and F8_E4M3 (codes alone, without any scale). Copies: meant for vectors and for comparisons.
    /// - Throws: `badInput` for other types.
    package func floats() throws(InputError) -> [Float] {
        var values = [Float](repeating: 0, count: count)
        unsafe try values.withUnsafeMutableBufferPointer { target throws(InputError) in
            unsafe try widen(into: target)
        }
        return values
    }

    /// All values of a type of at most 32 signed bits, bool and U8 included, or of I64, in row-major order.
    ///
    /// - Throws: `badInput` for other types.
    package func integers() throws(InputError) -> [Int] {
        let count = self.count
        func read<Element: FixedWidthInteger & BitwiseCopyable>(_: Element.Type) -> [Int] {
            (0..<count).map { index in
                let offset = index * MemoryLayout<Element>.size
                return unsafe Int(
                    Element(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Element.self)))
            }
        }
        switch type {
        case .bool, .uint8: return read(UInt8.self)
        case .int8: return read(Int8.self)
        case .uint16: return read(UInt16.self)
        case .int16: return read(Int16.self)
        case .int32: return read(Int32.self)
        case .uint32: return read(UInt32.self)
        case .int64: return read(Int64.self)
        default: throw refusal(found: "\(type.rawValue)", expected: "an integer type")
        }
    }

    /// An error about this tensor.
    package func refusal(found: String, expected: String?, remedy: String? = nil) -> InputError {
        InputError(
            .badInput, file: file, subject: "tensor \(name)", found: found, expected: expected, remedy: remedy
        )
    }

    /// - Precondition: `target` has `count` places.
    func widen(into target: UnsafeMutableBufferPointer<Float>) throws(InputError) {
        precondition(target.count == count, "\(target.count) places for \(count) values")
        if let base = target.baseAddress { unsafe try widen(0..<count, into: base) }
    }

    /// Writes some of the values, widened as by ``floats()``, to `target`.
    ///
    /// - Precondition: the elements exist, `target` has a place for each.
    /// - Throws: `badInput` for types other than F32, BF16, F16 and F8_E4M3.
    package func widen(_ elements: Range<Int>, into target: UnsafeMutablePointer<Float>) throws(InputError) {
        let (first, count) = (elements.lowerBound, elements.count)
        precondition(first >= 0 && elements.upperBound <= self.count, "elements \(elements) of \(self.count)")
        guard let base = unsafe bytes.baseAddress.map({ unsafe $0 + first * type.size }) else { return }
        switch type {
        case .float32:
            for index in 0..<count {
                let bits = unsafe UInt32(
                    littleEndian: base.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
                unsafe target[index] = Float(bitPattern: bits)
            }
        case .bfloat16:
            for index in 0..<count { unsafe target[index] = BFloat16.decode(halfWord(base, index)) }
        case .float16:
            for index in 0..<count { unsafe target[index] = Float16Code.decode(halfWord(base, index)) }
        case .float8E4M3:
            for index in 0..<count {
                unsafe target[index] = Float8E4M3.decode(base.load(fromByteOffset: index, as: UInt8.self))
            }
        default:
            throw refusal(found: "\(type.rawValue)", expected: "F32, BF16 or F16")
        }
    }

    @inline(__always)
    private func halfWord(_ base: UnsafeRawPointer, _ index: Int) -> UInt16 {
        unsafe UInt16(littleEndian: base.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
    }
}

/// IEEE binary16, by integer arithmetic: `Float16` does not exist on every platform.
enum Float16Code {
    /// The exact value of a code; infinities and NaN (payload kept) included.
    @inline(__always)
    static func decode(_ code: UInt16) -> Float {
        let sign = UInt32(code & 0x8000) << 16
        let magnitude = UInt32(code & 0x7fff) << 13
        if magnitude >= 0x0f80_0000 { return Float(bitPattern: sign | 0x7000_0000 | magnitude) }
        // Moves the exponent's bias from 15 to 127; exact for subnormals too.
        return Float(bitPattern: sign | (Float(bitPattern: magnitude) * 0x1p112).bitPattern)
    }
}
