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
    /// What was done to this cache since the last forward pass, for the other devices to do too.
    var edits: [CacheEdit] = []

    package init(layout: CacheLayout) { self.layout = layout }

    /// Pages held, shared ones included.
    package var pageCount: Int { pages.count }

    /// Makes room for `count` more tokens, with pages that no other cache can see.
    package mutating func reserve(_ count: Int) {
        let tokens = CacheLayout.pageTokens
        for page in (length / tokens)..<max(length / tokens, pages.count)
        where !isKnownUniquelyReferenced(&pages[page]) { pages[page] = pages[page].copy() }
        while pages.count * tokens < length + count { pages.append(CachePage(bytes: layout.pageBytes)) }
    }

    /// Declares the rows of `count` more tokens complete.
    package mutating func advance(_ count: Int) {
        precondition(
            length + count <= pages.count * CacheLayout.pageTokens, "advance past the reserved pages")
        length += count
    }

    /// Forgets all tokens from `length` on; whole pages behind them are given up.
    package mutating func truncate(to length: Int) {
        precondition((0...self.length).contains(length), "truncate to \(length) of \(self.length)")
        if replica != nil { edits.append(.truncate(length)) }
        self.length = length
        let kept = (length + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
        pages.removeLast(pages.count - kept)
    }

    /// Writes the attention row `[C + R]` of a token in a layer, once its place is reserved.
    package func store(
        _ row: UnsafePointer<Float>, attentionOf layer: Int, position: Int, kernels: Kernels
    ) {
        let target = unsafe place(layout.attentionOffsets[layer], layout.attentionRow, position)
        unsafe kernels.store(row, as: layout.attentionRow, to: target)
    }

    /// Writes the index key `[J]` of a token in a layer with an indexer.
    package func store(
        _ key: UnsafePointer<Float>, indexKeyOf layer: Int, position: Int, kernels: Kernels
    ) {
        let target = unsafe place(indexOffset(layer), layout.indexRow, position)
        unsafe kernels.store(key, as: layout.indexRow, to: target)
    }

    private func indexOffset(_ layer: Int) -> Int {
        guard let offset = layout.indexOffsets[layer] else {
            preconditionFailure("layer \(layer) shares its selection and has no index keys")
        }
        return offset
    }

    private func place(_ offset: Int, _ row: CacheRow, _ position: Int) -> UnsafeMutableRawPointer {
        let (page, slot) = position.quotientAndRemainder(dividingBy: CacheLayout.pageTokens)
        precondition(page < pages.count, "position \(position) is not reserved")
        return unsafe pages[page].storage + offset + slot * row.bytes
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
        rows(layout.attentionOffsets[layer], layout.attentionRow, range)
    }

    /// The first `length` index keys of a layer, as floats: `[length, J]`.
    package func indexRows(layer: Int) -> [Float] {
        rows(indexOffset(layer), layout.indexRow, 0..<layout.indexRow.width)
    }

    private func rows(_ offset: Int, _ row: CacheRow, _ columns: Range<Int>) -> [Float] {
        var values: [Float] = []
        var decoded = [Float](repeating: 0, count: row.decodedStride)
        for position in 0..<length {
            unsafe decoded.withUnsafeMutableBufferPointer { decoded in
                guard let decoded = decoded.baseAddress else { return }
                // Every level decodes to the same bits: an element is one multiplication.
                unsafe Kernels.table(.baseline).load(
                    place(offset, row, position), as: row, into: decoded)
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
    let storage: UnsafeMutableRawPointer
    private let bytes: Int

    init(bytes: Int) {
        self.bytes = bytes
        unsafe storage = .allocate(byteCount: bytes, alignment: 64)
        _ = unsafe storage.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    }

    func copy() -> CachePage {
        let page = CachePage(bytes: bytes)
        unsafe page.storage.copyMemory(from: storage, byteCount: bytes)
        return page
    }

    deinit { unsafe storage.deallocate() }
}
