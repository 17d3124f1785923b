/// Picks the `k` largest of `count` scores and writes their positions in ascending order; returns how many,
/// min(k, count).
///
/// Equal scores are decided for the lower position; −0 and +0 are equal. A NaN ranks below −∞, so it is taken
/// only when nothing else is left. Radix select over the bits of the scores: O(count), whatever the values.
/// - Precondition: `output` has room for min(k, count) positions; `count` fits in 31 bits.
@discardableResult
public func selectLargest(
    _ scores: UnsafePointer<Float>, count: Int, k: Int, into output: UnsafeMutablePointer<Int32>
) -> Int {
    precondition(count >= 0 && count <= Int(Int32.max) && k >= 0, "\(k) of \(count)")
    if k >= count {
        for i in 0..<count { output[i] = Int32(truncatingIfNeeded: i) }
        return count
    }
    if k == 0 { return 0 }
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count + 2048) { scratch in
        guard let base = scratch.baseAddress else { return 0 }
        let threshold = radixThreshold(scores, count: count, k: k, keys: base, histogram: base + count)
        // Written without a branch: every position, kept or not, where the next kept one belongs.
        var ties = threshold.ties
        var taken = 0
        for i in 0..<count {
            let key = sortKey(scores[i])
            let tie = (key == threshold.key ? 1 : 0) & (ties > 0 ? 1 : 0)
            base[taken] = UInt32(truncatingIfNeeded: i)
            taken &+= (key > threshold.key ? 1 : 0) | tie
            ties &-= tie
        }
        for i in 0..<taken { output[i] = Int32(truncatingIfNeeded: base[i]) }
        return taken
    }
}

/// Position of the largest value, the lowest one of equals. NaN is never chosen unless there is nothing else;
/// then 0.
/// - Precondition: `count` is positive.
public func argmax(_ values: UnsafePointer<Float>, count: Int) -> Int {
    Kernels.table(.best).argmax(values, count: count)
}

/// Bits that order like the scores: NaN → 0, then −∞ … −0 = +0 … +∞.
@inline(__always)
private func sortKey(_ score: Float) -> UInt32 {
    let bits = (score + 0).bitPattern
    if bits & 0x7fff_ffff > 0x7f80_0000 { return 0 }
    return bits ^ (UInt32(bitPattern: Int32(bitPattern: bits) &>> 31) | 0x8000_0000)
}

/// The key of the k-th largest score, and how many scores equal to it are among the k.
private func radixThreshold(
    _ scores: UnsafePointer<Float>, count: Int, k: Int, keys: UnsafeMutablePointer<UInt32>,
    histogram: UnsafeMutablePointer<UInt32>
) -> (key: UInt32, ties: Int) {
    for i in 0..<count { keys[i] = sortKey(scores[i]) }
    var remaining = k
    var candidates = count
    var prefix: UInt32 = 0
    for (shift, bits) in [(21, 11), (10, 11), (0, 10)] as [(UInt32, UInt32)] {
        let mask = (1 as UInt32) &<< bits &- 1
        for bin in 0..<2048 { histogram[bin] = 0 }
        for i in 0..<candidates { histogram[Int(keys[i] &>> shift & mask)] &+= 1 }
        var bin = Int(mask)
        while remaining > Int(histogram[bin]) {
            remaining -= Int(histogram[bin])
            bin -= 1
        }
        prefix |= UInt32(bin) &<< shift
        // Only the keys of this bin go on.
        var kept = 0
        for i in 0..<candidates {
            let key = keys[i]
            keys[kept] = key
            kept &+= key &>> shift & mask == UInt32(bin) ? 1 : 0
        }
        candidates = kept
    }
    return (prefix, remaining)
}
