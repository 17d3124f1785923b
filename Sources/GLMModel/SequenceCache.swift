package import GLMKernels

/// Latents, rope keys and index keys of one sequence, in pages of 64 tokens.
///
/// A value: copying it shares the pages, and a page is copied before it is written while another cache holds
/// it too, so a prefix can be shared and a sequence can be forked. Pages go back to the allocator with their
/// last owner.
package struct SequenceCache: Sendable {
    package let layout: CacheLayout
    /// Tokens whose rows are complete in every layer.
    package private(set) var length = 0
    private var pages: [CachePage] = []
    /// What stands for this cache on the other devices of a group; nil before its first forward pass there.
    var replica: CacheReplica?
    /// The group of devices that serves this sequence.
    private(set) var group = 0
    /// Whether the rows are on this device; elsewhere only their number is known.
    private(set) var isKept = true
    /// What was done to this cache since the last forward pass, for the other devices to do too.
    var edits: [CacheEdit] = []
    /// Claimed together with the pages in use, and not used yet.
    private var spare: [CachePage] = []

    package init(layout: CacheLayout) { self.layout = layout }

    /// Pages held, shared ones included.
    package var pageCount: Int { pages.count }

    /// Leaves the sequence to a group of devices.
    ///
    /// - Parameter isKept: whether this device is one of them.
    /// - Precondition: nothing was stored yet.
    mutating func settle(in group: Int, isKept: Bool) {
        precondition(length == 0 || (group, isKept) == (self.group, self.isKept), "a cache cannot move")
        (self.group, self.isKept) = (group, isKept)
    }

    /// Makes room for `count` more tokens, with pages that no other cache can see.
    package mutating func reserve(_ count: Int) {
        guard isKept else { return }
        let tokens = CacheLayout.pageTokens
        for page in (length / tokens)..<max(length / tokens, pages.count)
        where !isKnownUniquelyReferenced(&pages[page]) { pages[page] = pages[page].copy() }
        while pages.count * tokens < length + count { pages.append(claimPage()) }
    }

    /// A page of zeros that no other cache can see.
    private mutating func claimPage() -> CachePage {
        while var page = spare.popLast() {
            // A copy of this cache may have been left with the same spare pages.
            guard isKnownUniquelyReferenced(&page) else { continue }
            page.clear()
            return page
        }
        spare = CachePage.several(bytes: layout.pageBytes)
        guard let page = spare.popLast() else { preconditionFailure("no page was claimed") }
        page.clear()
        return page
    }

    /// Declares the rows of `count` more tokens complete.
    package mutating func advance(_ count: Int) {
        precondition(
            !isKept || length + count <= pages.count * CacheLayout.pageTokens,
            "advance past the reserved pages")
        length += count
    }

    /// Forgets all tokens from `length` on; whole pages behind them are given up.
    package mutating func truncate(to length: Int) {
        precondition((0...self.length).contains(length), "truncate to \(length) of \(self.length)")
        if replica != nil { edits.append(.truncate(length)) }
        forget(from: length)
    }

    private mutating func forget(from length: Int) {
        self.length = length
        guard isKept else { return }
        let kept = (length + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
        // A single page is likely to be wanted again: speculation goes back and forth over its border.
        if pages.count == kept + 1, let last = pages.last { spare.append(last) }
        pages.removeLast(pages.count - kept)
    }

    /// Of the rows from `base` on keeps those at `kept`, moved together in every layer, and forgets all others.
    ///
    /// - Parameter kept: cache rows, ascending, none below `base`.
    package mutating func compact(keeping kept: [Int], from base: Int) {
        // A chain only forgets its end.
        guard kept.last != base + kept.count - 1 else { return truncate(to: base + kept.count) }
        if replica != nil { edits.append(.compact(kept: kept, base: base)) }
        for (index, row) in kept.enumerated() where isKept && row != base + index {
            move(row, to: base + index)
        }
        forget(from: base + kept.count)
    }

    /// Copies all that is stored of one token over another, in a page that no other cache sees.
    private mutating func move(_ row: Int, to target: Int) {
        let tokens = CacheLayout.pageTokens
        precondition(target < row && row < length, "row \(row) of \(length) moves to \(target)")
        if !isKnownUniquelyReferenced(&pages[target / tokens]) {
            pages[target / tokens] = pages[target / tokens].copy()
        }
        let (from, to) = (place(row), place(target))
        for layer in layout.attentionOffsets.indices {
            unsafe attentionPlace(layer, target).copyMemory(
                from: attentionPlace(layer, row), byteCount: layout.attentionRow.bytes)
            guard let offset = layout.indexOffsets[layer] else { continue }
            unsafe Kernels.table(.baseline).copyColumn(
                as: layout.indexRow, from: pages[from.page].storage + offset, slot: from.slot,
                to: pages[to.page].storage + offset, slot: to.slot)
        }
    }

    /// Writes the attention row `[C + R]` of a token in a layer, once its place is reserved.
    package func store(
        _ row: UnsafePointer<Float>, attentionOf layer: Int, position: Int, kernels: Kernels
    ) {
        unsafe kernels.store(row, as: layout.attentionRow, to: attentionPlace(layer, position))
    }

    /// Writes the index key `[J]` of a token in a layer with an indexer.
    package func store(
        _ key: UnsafePointer<Float>, indexKeyOf layer: Int, position: Int, kernels: Kernels
    ) {
        let (page, slot) = place(position)
        unsafe kernels.storeColumn(
            key, as: layout.indexRow, page: pages[page].storage + indexOffset(layer), slot: slot)
    }

    private func indexOffset(_ layer: Int) -> Int {
        guard let offset = layout.indexOffsets[layer] else {
            preconditionFailure("layer \(layer) shares its selection and has no index keys")
        }
        return offset
    }

    private func place(_ position: Int) -> (page: Int, slot: Int) {
        let (page, slot) = position.quotientAndRemainder(dividingBy: CacheLayout.pageTokens)
        precondition(page < pages.count, "position \(position) is not reserved")
        return (page, slot)
    }

    private func attentionPlace(_ layer: Int, _ position: Int) -> UnsafeMutableRawPointer {
        let (page, slot) = place(position)
        return unsafe pages[page].storage + layout.attentionOffsets[layer] + slot * layout.attentionRow.bytes
    }

    /// Where each page keeps the attention rows of a layer.
    package func attentionPages(layer: Int) -> [UnsafeRawPointer] {
        let offset = layout.attentionOffsets[layer]
        return unsafe pages.map { unsafe UnsafeRawPointer($0.storage + offset) }
    }

    /// Where each page keeps the index keys of a layer with an indexer.
    package func indexPages(layer: Int) -> [UnsafeRawPointer] {
        let offset = indexOffset(layer)
        return unsafe pages.map { unsafe UnsafeRawPointer($0.storage + offset) }
    }

    /// The first `length` attention rows of a layer, columns `range`, as floats: `[length, range.count]`.
    package func attentionRows(layer: Int, columns range: Range<Int>) -> [Float] {
        let row = layout.attentionRow
        return unsafe rows(width: row.decodedStride, columns: range) { position, target in
            // Every level decodes to the same bits: an element is one multiplication.
            unsafe Kernels.table(.baseline).load(attentionPlace(layer, position), as: row, into: target)
        }
    }

    /// The first `length` index keys of a layer, as floats: `[length, J]`.
    package func indexRows(layer: Int) -> [Float] {
        let (row, offset) = (layout.indexRow, indexOffset(layer))
        return unsafe rows(width: row.latent, columns: 0..<row.latent) { position, target in
            let (page, slot) = place(position)
            unsafe Kernels.table(.baseline).loadColumn(
                pages[page].storage + offset, as: row, slot: slot, into: target)
        }
    }

    private func rows(
        width: Int, columns: Range<Int>, _ read: (Int, UnsafeMutablePointer<Float>) -> Void
    ) -> [Float] {
        var values: [Float] = []
        var decoded = [Float](repeating: 0, count: width)
        for position in 0..<length {
            unsafe decoded.withUnsafeMutableBufferPointer { decoded in
                guard let decoded = decoded.baseAddress else { return }
                unsafe read(position, decoded)
            }
            values.append(contentsOf: decoded[columns])
        }
        return values
    }
}

/// 64 tokens of every layer. Written only by the one cache that owns it, before `advance` shows the rows to
/// readers.
@safe
private final class CachePage: @unchecked Sendable {
    /// Bytes claimed at once, so that pages lie on huge pages.
    private static let slab = 1 << 24

    let storage: UnsafeMutableRawPointer
    private let bytes: Int
    private let memory: LargeMemory

    private init(_ memory: LargeMemory, offset: Int, bytes: Int) {
        self.memory = memory
        self.bytes = bytes
        unsafe storage = memory.base + offset
    }

    /// One page, or some that share a slab, for large pages; none of them is touched. At least one.
    static func several(bytes: Int) -> [CachePage] {
        let count = bytes < slab / 256 ? 1 : max(1, slab / bytes)
        let stride = (bytes + 63) / 64 * 64
        let memory = LargeMemory(bytes: count * stride)
        return (0..<count).reversed().map { CachePage(memory, offset: $0 * stride, bytes: bytes) }
    }

    func clear() { _ = unsafe storage.initializeMemory(as: UInt8.self, repeating: 0, count: bytes) }

    func copy() -> CachePage {
        let page = CachePage(LargeMemory(bytes: bytes), offset: 0, bytes: bytes)
        unsafe page.storage.copyMemory(from: storage, byteCount: bytes)
        return page
    }
}
