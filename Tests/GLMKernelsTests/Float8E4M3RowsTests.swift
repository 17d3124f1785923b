import GLMKernels
import Testing

@Suite struct Float8E4M3RowsTests {
    private static func row(_ values: [Float], scale: Float) -> [UInt8] {
        var codes = [UInt8](repeating: 0xAA, count: values.count + 1)
        codes.withUnsafeMutableBufferPointer { target in
            guard let base = target.baseAddress else { return }
            values.withUnsafeBufferPointer { source in
                guard let first = source.baseAddress else { return }
                Float8E4M3.encode(first, count: values.count, dividedBy: scale, into: base)
            }
        }
        #expect(codes.last == 0xAA, "written beyond the end")
        return Array(codes.dropLast())
    }

    /// Bit patterns over the whole range, every boundary between codes with its neighbours, and what is not finite.
    static let values: [Float] = {
        var values = (0..<(1 << 16)).map { Float(bitPattern: UInt32($0) << 16 | 0x8001) }
        for code in 0..<UInt8(0x7e) {
            let middle = (Float8E4M3.decode(code) + Float8E4M3.decode(code + 1)) / 2
            for value in [middle.nextDown, middle, middle.nextUp] { values += [value, -value] }
        }
        return values + [
            0, -0.0, 448, 464, .nextUp(464), .infinity, -.infinity, .nan, -.nan, .leastNonzeroMagnitude,
        ]
    }()

    @Test(arguments: [1, 0.37, 0x1p-126, 3e30] as [Float]) func aRowIsEncodedAsItsElements(_ scale: Float) {
        let codes = Self.row(Self.values, scale: scale)
        let expected = Self.values.map { Float8E4M3.encode($0 / scale) }
        #expect(codes == expected)
        #expect(codes != Self.values.map { Float8E4M3.encode($0 / (scale * 2)) })
    }

    @Test func shortRowsAreWhole() {
        for count in 0..<70 {
            let values = Array(Self.values.suffix(count))
            #expect(Self.row(values, scale: 1) == values.map { Float8E4M3.encode($0) })
        }
    }
}

extension Float {
    fileprivate static func nextUp(_ value: Float) -> Float { value.nextUp }
}
