// The loops of a conversion over one row of Float32 values. Knows no tensor and no file.

import GLMKernels

/// From Float32 values to what a file stores.
enum BlockCodec {
    /// Raises the bits of each block's largest magnitude by a row: as integers, magnitudes order as numbers do, and
    /// infinities and NaN come out on top.
    static func raise(
        _ largest: inout [UInt32], _ values: UnsafePointer<Float>, columns: Int, block: Int
    ) {
        for number in largest.indices {
            let first = number &* block
            let end = min(columns, first &+ block)
            var most = largest[number]
            var column = first
            while column < end {
                most = unsafe max(most, values[column].bitPattern & 0x7fff_ffff)
                column &+= 1
            }
            largest[number] = most
        }
    }

    /// q = E4M3(w / s) for a row, with the multiplier of each block.
    ///
    /// - Precondition: the values are finite, the scales positive.
    static func encode(
        _ values: UnsafePointer<Float>, columns: Int, scales: [Float], block: Int,
        to target: UnsafeMutableRawPointer
    ) {
        let codes = unsafe target.assumingMemoryBound(to: UInt8.self)
        for (number, scale) in scales.enumerated() {
            let first = number &* block
            let count = min(columns &- first, block)
            unsafe Float8E4M3.encode(
                values + first, count: count, dividedBy: scale, into: codes + first)
        }
    }

    /// Stores the values as they are, little endian; returns whether all are finite.
    static func storeFloat32(
        _ values: UnsafePointer<Float>, count: Int, to target: UnsafeMutableRawPointer
    ) -> Bool {
        var bad: UInt32 = 0
        for index in 0..<count {
            let bits = unsafe values[index].bitPattern
            bad |= bits & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0
            unsafe target.storeBytes(of: bits.littleEndian, toByteOffset: index &* 4, as: UInt32.self)
        }
        return bad == 0
    }

    /// Stores the values rounded to BF16, ties to even, little endian; returns whether all results are finite.
    static func storeBFloat16(
        _ values: UnsafePointer<Float>, count: Int, to target: UnsafeMutableRawPointer
    ) -> Bool {
        var bad: UInt16 = 0
        for index in 0..<count {
            let code = unsafe BFloat16.encode(values[index])
            bad |= code & 0x7f80 == 0x7f80 ? 1 : 0
            unsafe target.storeBytes(of: code.littleEndian, toByteOffset: index &* 2, as: UInt16.self)
        }
        return bad == 0
    }
}
