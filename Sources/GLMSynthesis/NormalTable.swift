// An approximately normal number from one random word, in arithmetic that rounds the same everywhere.

/// The sum of four uniform bytes (Irwin–Hall): bell-shaped, bounded by ± 3.45 deviations, exact in integers.
///
/// A normal number from a logarithm and a cosine would depend on the machine's mathematical library.
enum NormalTable {
    /// Mean of the sum of four bytes.
    static let mean: Int32 = 510
    /// One over its deviation √21845.
    static let inverseDeviation: Float = 0.006_765_875_4

    /// The sum of the four bytes of `word`, less its mean.
    @inline(__always)
    static func centered(_ word: UInt32) -> Int32 {
        let pairs = (word & 0x00FF_00FF) &+ ((word >> 8) & 0x00FF_00FF)
        return Int32(truncatingIfNeeded: (pairs & 0xFFFF) &+ (pairs >> 16)) &- mean
    }

    /// The centred sums that split the distribution into 256 equal parts, one quantile from the middle of
    /// each; the lower half mirrors the upper.
    static func quantiles() -> [Int32] {
        let cumulative = cumulativeCounts()
        var table = [Int32](repeating: 0, count: 256)
        for index in 128..<256 {
            let wanted = UInt64(2 * index + 1) << 23  // (index + ½) / 256 of 2³² words
            let sum = cumulative.firstIndex { $0 >= wanted } ?? cumulative.count - 1
            table[index] = Int32(sum) - mean
            table[255 - index] = mean - Int32(sum)
        }
        return table
    }

    /// `[s]`: how many of the 2³² words have a byte sum of at most `s`.
    private static func cumulativeCounts() -> [UInt64] {
        var counts: [UInt64] = [1]
        for _ in 0..<4 {
            var next = [UInt64](repeating: 0, count: counts.count + 255)
            for (sum, count) in counts.enumerated() {
                for byte in 0..<256 { next[sum + byte] += count }
            }
            counts = next
        }
        var running: UInt64 = 0
        return counts.map { count in
            running += count
            return running
        }
    }
}
