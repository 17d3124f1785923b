// FP8 weights drawn as codes: what a normal weight looks like after block quantisation. Knows no tensor.

import GLMKernels

/// 256 equally likely E4M3 codes with the quantiles of the normal table, the largest of them ± 448.
package struct CodeTable: Sendable {
    /// The code for each value of a random byte; none of them NaN.
    private let codes: [UInt8]
    /// What a block's multiplier is for a weight of deviation 1: largest quantile / 448.
    let scale: Float

    package init() {
        let quantiles = NormalTable.quantiles()
        let largest = Float(quantiles[255])
        codes = quantiles.map { Float8E4M3.encode(Float($0) * (448 / largest)) }
        scale = largest * NormalTable.inverseDeviation / 448
    }

    /// Writes the codes of elements `start ..< start + count`.
    func fill(_ output: UnsafeMutableRawPointer, count: Int, from start: Int, stream: WordStream) {
        let bytes = unsafe output.assumingMemoryBound(to: UInt8.self)
        unsafe codes.withUnsafeBufferPointer { table in
            guard let table = table.baseAddress else { return }
            var done = 0
            while done < count {
                let part = min(4 * TensorGenerator.segment, count - done)
                let first = start + done
                let skipped = first & 3
                unsafe stream.withWords(from: first / 4, count: (skipped + part + 3) / 4) { words in
                    unsafe CodeTable.spread(
                        words, skipped: skipped, count: part, table: table, to: bytes + done)
                }
                done += part
            }
        }
    }

    /// `output[i] = table[byte skipped + i of the words]`, bytes counted from the low end of each word.
    @inline(__always)
    private static func spread(
        _ words: UnsafePointer<UInt32>, skipped: Int, count: Int, table: UnsafePointer<UInt8>,
        to output: UnsafeMutablePointer<UInt8>
    ) {
        var index = 0
        while index < count {
            let at = skipped &+ index
            let byte = unsafe words[at >> 2] >> UInt32((at & 3) << 3)
            unsafe output[index] = table[Int(byte & 0xFF)]
            index &+= 1
        }
    }
}
