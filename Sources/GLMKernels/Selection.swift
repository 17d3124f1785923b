import CVector

/// Picks the `k` largest of `count` scores and writes their positions in ascending order; returns how many,
/// min(k, count).
///
/// Equal scores are decided for the lower position; −0 and +0 are equal. A NaN ranks below −∞, so it is taken
/// only when nothing else is left. Radix select over the bits of the scores: O(count), whatever the values.
///
/// The engine chooses with `Kernels.selectLargest`, which narrows the range of the limit by counting; this is its plain
/// twin.
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
    return withTemporaryMemory(of: UInt32.self, count: count + 2048) { scratch in
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

/// What `limit` must be for exactly the `k` largest keys to lie above it, or k − `ties` of them where `ties` of those
/// that equal it belong to the largest too.
///
/// Halves the keys' range, counting those above its middle, and ends as soon as a count is right. Once it holds at
/// most an eighth of the keys, only these are counted.
///
/// - Parameters:
///   - keys: `padded` of them, whole 64, `count` of which count; they lie in `range`.
///   - few: room for an eighth of the keys and 78 more.
@inline(__always)
private func limitOfLargest(
    _ keys: UnsafePointer<Int32>, _ count: Int, _ padded: Int, _ k: Int, _ range: (low: Int, high: Int),
    _ few: UnsafeMutablePointer<Int32>, isWide: Bool
) -> (limit: Int32, ties: Int) {
    // More than k keys lie above `low`, fewer above `high`.
    var low = range.low &- 1, high = range.high
    var aboveLow = count, aboveHigh = 0
    var counted = keys
    var length = padded
    // How many of the keys that are no longer counted lie above.
    var passed = 0
    while high &- low > 1 {
        let middle = (low &+ high) >> 1
        let found = countAbove(Int32(truncatingIfNeeded: middle), counted, length) &+ passed
        if found == k { return (Int32(truncatingIfNeeded: middle), 0) }
        if found > k {
            (low, aboveLow) = (middle, found)
        } else {
            (high, aboveHigh) = (middle, found)
        }
        if counted == keys && aboveLow &- aboveHigh <= count / 8 {
            length = packRange(keys, padded, low, high, few, isWide: isWide)
            counted = UnsafePointer(few)
            passed = aboveHigh
        }
    }
    return (Int32(truncatingIfNeeded: high), k &- aboveHigh)
}

/// The keys in `low` < key ≤ `high`, NaN excepted, one behind the other, filled up to whole 64 with keys that lie above nothing;
/// returns how many these are together.
@inline(__always)
private func packRange(
    _ keys: UnsafePointer<Int32>, _ count: Int, _ low: Int, _ high: Int,
    _ target: UnsafeMutablePointer<Int32>, isWide: Bool
) -> Int {
    // `low` may lie below all integers: NaN and padding are then left out, which lie above no middle.
    let least = i32x16_all(Int32(truncatingIfNeeded: max(low, Int(Int32.min))))
    let most = i32x16_all(Int32(truncatingIfNeeded: high))
    var taken = 0
    var i = 0
    while i < count {
        let lanes = i32x16_load(keys + i)
        let chosen = i32x16_which_above(lanes, least) & ~i32x16_which_above(lanes, most)
        if isWide {
            i32x16_pack_wide(keys + i, chosen, target + taken)
        } else {
            i32x16_pack(keys + i, chosen, target + taken)
        }
        taken &+= chosen.nonzeroBitCount
        i &+= 16
    }
    let padded = (taken &+ 63) & ~63
    i = taken
    while i < padded {
        i32x16_store(target + i, i32x16_all(.min))
        i &+= 16
    }
    return padded
}

/// How many of `count` keys, whole 64, are larger than `limit`.
@inline(__always)
private func countAbove(_ limit: Int32, _ keys: UnsafePointer<Int32>, _ count: Int) -> Int {
    let limit = i32x16_all(limit)
    var a = i32x16_all(0), b = a, c = a, d = a
    var i = 0
    while i < count {
        a = i32x16_count_above(a, i32x16_load(keys + i), limit)
        b = i32x16_count_above(b, i32x16_load(keys + (i &+ 16)), limit)
        c = i32x16_count_above(c, i32x16_load(keys + (i &+ 32)), limit)
        d = i32x16_count_above(d, i32x16_load(keys + (i &+ 48)), limit)
        i &+= 64
    }
    return Int(i32x16_total(a)) &+ Int(i32x16_total(b)) &+ Int(i32x16_total(c)) &+ Int(i32x16_total(d))
}

/// The positions of the keys above `limit`, and of the first `ties` that equal it: `k` in all. They are gathered over
/// keys that are read already.
@inline(__always)
private func positions(
    _ keys: UnsafeMutablePointer<Int32>, _ k: Int, _ limit: Int32, _ ties: Int,
    _ output: UnsafeMutablePointer<Int32>, isWide: Bool
) {
    let limits = i32x16_all(limit)
    var ties = ties
    var taken = 0
    var i = 0
    while taken < k {
        let lanes = i32x16_load(keys + i)
        var chosen = i32x16_which_above(lanes, limits)
        if ties > 0 {
            var equal = i32x16_which_equal(lanes, limits)
            while equal != 0 && ties > 0 {
                chosen |= equal & (0 &- equal)
                equal &= equal &- 1
                ties &-= 1
            }
        }
        let first = Int32(truncatingIfNeeded: i)
        if isWide {
            i32x16_pack_numbers_wide(first, chosen, keys + taken)
        } else {
            i32x16_pack_numbers(first, chosen, keys + taken)
        }
        taken &+= chosen.nonzeroBitCount
        i &+= 16
    }
    let whole = k & ~15
    i = 0
    while i < whole {
        i32x16_store(output + i, i32x16_load(keys + i))
        i &+= 16
    }
    while i < k {
        output[i] = keys[i]
        i &+= 1
    }
}

@inline(__always)
private func select(
    _ scores: UnsafePointer<Float>, _ count: Int, _ k: Int, _ keys: UnsafeMutablePointer<Int32>,
    _ output: UnsafeMutablePointer<Int32>, isWide: Bool
) {
    let whole = count & ~15
    var least = i32x16_all(.max), most = i32x16_all(.min)
    var i = 0
    while i < whole {
        let lanes = f32x16_order(f32x16_load(scores + i))
        least = i32x16_smaller(least, lanes)
        most = i32x16_larger(most, lanes)
        i32x16_store(keys + i, lanes)
        i &+= 16
    }
    let padded = (count &+ 63) & ~63
    while i < padded {
        i32x16_store(keys + i, i32x16_all(.min))
        i &+= 16
    }
    i = whole
    while i < count {
        let key = f32x16_order(f32x16_all(scores[i]))
        least = i32x16_smaller(least, key)
        most = i32x16_larger(most, key)
        keys[i] = key[0]
        i &+= 1
    }
    var range = (low: Int(least[0]), high: Int(most[0]))
    i = 1
    while i < 16 {
        range.low = min(range.low, Int(least[i]))
        range.high = max(range.high, Int(most[i]))
        i &+= 1
    }
    let (limit, ties) = limitOfLargest(keys, count, padded, k, range, keys + padded, isWide: isWide)
    positions(keys, k, limit, ties, output, isWide: isWide)
}

@c @implementation
func select_largest_wide(
    _ scores: UnsafePointer<Float>, _ count: Int, _ k: Int, _ keys: UnsafeMutablePointer<Int32>,
    _ output: UnsafeMutablePointer<Int32>
) { select(scores, count, k, keys, output, isWide: true) }

@c @implementation
func select_largest_baseline(
    _ scores: UnsafePointer<Float>, _ count: Int, _ k: Int, _ keys: UnsafeMutablePointer<Int32>,
    _ output: UnsafeMutablePointer<Int32>
) { select(scores, count, k, keys, output, isWide: false) }

extension Kernels {
    /// The same as `selectLargest`, whose radix sort is its plain twin: counts the keys above a limit, 16 at a time, and
    /// halves the range that the limit lies in.
    @discardableResult
    public func selectLargest(
        _ scores: UnsafePointer<Float>, count: Int, k: Int, into output: UnsafeMutablePointer<Int32>,
        scratch: Scratch = Scratch()
    ) -> Int {
        precondition(count >= 0 && count <= Int(Int32.max) && k >= 0, "\(k) of \(count)")
        if k >= count || k == 0 { return GLMKernels.selectLargest(scores, count: count, k: k, into: output) }
        let room = (count + 63) / 64 * 64 + count / 8 + 128
        scratch.withFloats(room) { floats in
            floats.withMemoryRebound(to: Int32.self, capacity: room) { keys in
                runSelection(scores, count, k, keys, output)
            }
        }
        return k
    }

    @inline(never)
    private func runSelection(
        _ scores: UnsafePointer<Float>, _ count: Int, _ k: Int, _ keys: UnsafeMutablePointer<Int32>,
        _ output: UnsafeMutablePointer<Int32>
    ) {
        switch vectors {
        case .avx512: select_largest_avx512(scores, count, k, keys, output)
        case .avx2: select_largest_avx2(scores, count, k, keys, output)
        case .baseline: select_largest_baseline(scores, count, k, keys, output)
        }
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
