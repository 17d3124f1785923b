import CVector
import Synchronization

/// Pieces of memory of equal length, a stride apart: a matrix, or some of its rows.
public struct MemoryStretch: Sendable, Equatable {
    let base: UInt
    let bytes: Int
    let stride: Int
    let count: Int

    /// All elements of `weights`; its scales are left out.
    public init(_ weights: WeightView) {
        let size = weights.format.size
        let isContiguous = weights.rowStride == weights.columns
        base = UInt(bitPattern: weights.base)
        bytes = weights.columns * size * (isContiguous ? weights.rows : 1)
        stride = weights.rowStride * size
        count = isContiguous ? min(1, weights.rows) : weights.rows
    }

    /// `bytes` bytes from `base` on.
    public init(base: UnsafeRawPointer, bytes: Int) {
        self.init(base: UInt(bitPattern: base), bytes: bytes, stride: bytes, count: 1)
    }

    /// `count` times `bytes` bytes, `stride` apart.
    init(base: UInt, bytes: Int, stride: Int, count: Int) {
        self.base = base
        self.bytes = bytes
        self.stride = stride
        self.count = count
    }

    /// `weights`, then the same rows of `others` more matrices, each `rowStep` rows of `weights` on.
    public init(_ weights: WeightView, repeated others: Int, rowStep: Int) {
        let size = weights.format.size
        base = UInt(bitPattern: weights.base)
        bytes = ((weights.rows - 1) * weights.rowStride + weights.columns) * size
        stride = rowStep * weights.rowStride * size
        count = weights.rows > 0 ? others + 1 : 0
    }

    var total: Int { bytes * count }

    /// `bytes` bytes at each of the first `count` places, of which those that follow one another at equal distances make
    /// one stretch.
    /// - Precondition: there are `count` places.
    public static func pieces(of bytes: Int, at places: [UnsafeRawPointer], count: Int) -> [MemoryStretch] {
        precondition(count >= 0 && count <= places.count, "\(count) of \(places.count) places")
        return places.withUnsafeBufferPointer { places in
            var stretches: [MemoryStretch] = []
            var start = 0
            while start < count {
                let base = UInt(bitPattern: places[start])
                var (end, step) = (start + 1, 0)
                while end < count {
                    let distance = Int(
                        bitPattern: UInt(bitPattern: places[end]) &- UInt(bitPattern: places[end - 1]))
                    guard distance >= bytes, end == start + 1 || distance == step else { break }
                    step = distance
                    end += 1
                }
                let stride = end - start == 1 ? bytes : step
                stretches.append(MemoryStretch(base: base, bytes: bytes, stride: stride, count: end - start))
                start = end
            }
            return stretches
        }
    }
}

/// What the next region of a pool will read, shared out among its threads. One that waits asks for its share, so
/// that memory is busy also while threads wait for one another or one of them works alone.
///
/// Only a hint. An address is at most prefetched, which never faults, so a thread that reads an entry while it is
/// being replaced does no harm.
final class ReadAhead: @unchecked Sendable {
    /// Bytes a thread asks for at most: half a second-level cache.
    private static let limit = 524_288
    /// Entries of a share.
    private static let entries = 40
    /// Bytes asked for between two looks at whether there is work.
    private static let stepBytes = 1024

    /// An entry of a share, written by the caller of regions and read by the thread that the share is for.
    private struct Entry: ~Copyable {
        let base = Atomic<UInt>(0)
        let bytes = Atomic<Int>(0)
        let stride = Atomic<Int>(0)
        let count = Atomic<Int>(0)
    }

    /// A share, and how far its thread has come with it.
    private struct Share: ~Copyable {
        let version = Atomic<UInt>(0)
        let count = Atomic<Int>(0)
        let line = CacheLine()
        var seen: UInt = 0
        var entry = 0
        var piece = 0
        var offset = 0
        let more = CacheLine()
    }

    private let seats: Int
    /// What is announced when the next region has begun.
    private let pending = Mutex<[MemoryStretch]?>(nil)
    private let shares: UnsafeMutablePointer<Share>
    private let list: UnsafeMutablePointer<Entry>

    init(seats: Int) {
        self.seats = seats
        shares = .allocate(capacity: seats)
        list = .allocate(capacity: seats * ReadAhead.entries)
        for seat in 0..<seats { (shares + seat).initialize(to: Share()) }
        for index in 0..<seats * ReadAhead.entries { (list + index).initialize(to: Entry()) }
    }

    deinit {
        for seat in 0..<seats { (shares + seat).deinitialize(count: 1) }
        for index in 0..<seats * ReadAhead.entries { (list + index).deinitialize(count: 1) }
        shares.deallocate()
        list.deallocate()
    }

    /// Keeps `stretches` for when the next region has begun.
    func later(_ stretches: [MemoryStretch]) { pending.withLock { $0 = stretches } }

    /// A region has begun: what was kept is announced.
    func announceKept() {
        let kept = pending.withLock { kept -> [MemoryStretch]? in
            defer { kept = nil }
            return kept
        }
        if let kept { announce(kept) }
    }

    /// Replaces all shares: of the bytes in order, each thread gets one part, the beginning of which it asks for.
    func announce(_ stretches: [MemoryStretch]) {
        var total = 0
        for stretch in stretches { total += stretch.total }
        for seat in 0..<seats {
            let start = total / seats * seat
            write(stretches, start..<min(start + ReadAhead.limit, start + total / seats), seat)
        }
    }

    /// Bytes `range` of all stretches become the share of `seat`.
    private func write(_ stretches: [MemoryStretch], _ range: Range<Int>, _ seat: Int) {
        let entries = list + seat * ReadAhead.entries
        var (used, passed) = (0, 0)
        for stretch in stretches where used < ReadAhead.entries {
            let (first, end) = (
                max(range.lowerBound - passed, 0), min(range.upperBound - passed, stretch.total)
            )
            passed += stretch.total
            if first >= end || stretch.bytes == 0 { continue }
            if stretch.count == 1 {
                set(entries + used, stretch.base + UInt(first), end - first, 0, 1)
            } else {
                let pieces = first / stretch.bytes..<(end + stretch.bytes - 1) / stretch.bytes
                set(
                    entries + used, stretch.base &+ UInt(bitPattern: pieces.lowerBound &* stretch.stride),
                    stretch.bytes,
                    stretch.stride, pieces.count)
            }
            used += 1
        }
        shares[seat].count.store(used, ordering: .relaxed)
        shares[seat].version.add(1, ordering: .releasing)
    }

    private func set(
        _ entry: UnsafeMutablePointer<Entry>, _ base: UInt, _ bytes: Int, _ stride: Int, _ count: Int
    ) {
        entry.pointee.base.store(base, ordering: .relaxed)
        entry.pointee.bytes.store(bytes, ordering: .relaxed)
        entry.pointee.stride.store(stride, ordering: .relaxed)
        entry.pointee.count.store(count, ordering: .relaxed)
    }

    /// Asks for the next lines of the share of `seat`, whose thread is the only one to call this; false when it has
    /// asked for all of them.
    func step(_ seat: Int) -> Bool {
        let share = shares + seat
        let version = share.pointee.version.load(ordering: .acquiring)
        if version != share.pointee.seen {
            share.pointee.seen = version
            (share.pointee.entry, share.pointee.piece, share.pointee.offset) = (0, 0, 0)
        }
        if share.pointee.entry >= share.pointee.count.load(ordering: .relaxed) { return false }
        let entry = list + (seat * ReadAhead.entries + share.pointee.entry)
        let bytes = entry.pointee.bytes.load(ordering: .relaxed)
        let piece =
            entry.pointee.base.load(ordering: .relaxed)
            &+ UInt(bitPattern: share.pointee.piece &* entry.pointee.stride.load(ordering: .relaxed))
        let end = min(bytes, share.pointee.offset &+ ReadAhead.stepBytes)
        var offset = share.pointee.offset
        while offset < end {
            if let line = UnsafeRawPointer(bitPattern: piece &+ UInt(bitPattern: offset)) { prefetch(line) }
            offset &+= 64
        }
        share.pointee.offset = offset
        if offset >= bytes {
            share.pointee.offset = 0
            share.pointee.piece &+= 1
            if share.pointee.piece >= entry.pointee.count.load(ordering: .relaxed) {
                share.pointee.piece = 0
                share.pointee.entry &+= 1
            }
        }
        return true
    }
}
