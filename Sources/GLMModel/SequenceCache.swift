import GLMKernels

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

    package init(layout: CacheLayout) { self.layout = layout }

    /// Pages held, shared ones included.
    package var pageCount: Int { pages.count }

    /// Makes room for `count` more tokens, with pages that no other cache can see.
    package mutating func reserve(_ count: Int) {
        let tokens = CacheLayout.pageTokens
        for page in (length / tokens)..<max(length / tokens, pages.count)
        where !isKnownUniquelyReferenced(&pages[page]) { pages[page] = pages[page].copy() }
        while pages.count * tokens < length + count { pages.append(CachePage(floats: layout.pageFloats)) }
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
        self.length = length
        let kept = (length + CacheLayout.pageTokens - 1) / CacheLayout.pageTokens
        pages.removeLast(pages.count - kept)
    }

    /// The attention row `[C + R]` of a token in a layer; writable once reserved.
    package func attentionRow(layer: Int, position: Int) -> UnsafeMutablePointer<Float> {
        unsafe row(at: layout.attentionOffsets[layer], width: layout.attentionWidth, position: position)
    }

    /// The index key `[J]` of a token in a layer with an indexer.
    package func indexRow(layer: Int, position: Int) -> UnsafeMutablePointer<Float> {
        guard let offset = layout.indexOffsets[layer] else {
            preconditionFailure("layer \(layer) shares its selection and has no index keys")
        }
        return unsafe row(at: offset, width: layout.indexWidth, position: position)
    }

    private func row(at offset: Int, width: Int, position: Int) -> UnsafeMutablePointer<Float> {
        let (page, slot) = position.quotientAndRemainder(dividingBy: CacheLayout.pageTokens)
        precondition(page < pages.count, "position \(position) is not reserved")
        return unsafe pages[page].storage + offset + slot * width
    }

    /// Where each page keeps the attention rows of a layer.
    package func attentionPages(layer: Int) -> [UnsafePointer<Float>] {
        let offset = layout.attentionOffsets[layer]
        return unsafe pages.map { unsafe UnsafePointer($0.storage + offset) }
    }

    /// Where each page keeps the index keys of a layer with an indexer.
    package func indexPages(layer: Int) -> [UnsafePointer<Float>] {
        guard let offset = layout.indexOffsets[layer] else {
            preconditionFailure("layer \(layer) shares its selection and has no index keys")
        }
        return unsafe pages.map { unsafe UnsafePointer($0.storage + offset) }
    }

    /// The first `length` attention rows of a layer, columns `range`, copied out: `[length, range.count]`.
    package func attentionRows(layer: Int, columns range: Range<Int>) -> [Float] {
        var values: [Float] = []
        for position in 0..<length {
            let row = unsafe UnsafeBufferPointer(
                start: attentionRow(layer: layer, position: position), count: layout.attentionWidth)
            unsafe values.append(contentsOf: row[range])
        }
        return values
    }

    /// The first `length` index keys of a layer, copied out: `[length, J]`.
    package func indexRows(layer: Int) -> [Float] {
        var values: [Float] = []
        for position in 0..<length {
            unsafe values.append(
                contentsOf: UnsafeBufferPointer(
                    start: indexRow(layer: layer, position: position), count: layout.indexWidth))
        }
        return values
    }
}

/// 64 tokens of every layer. Written only by the one cache that owns it, before `advance` shows the rows to
/// readers.
@safe
private final class CachePage: @unchecked Sendable {
    let storage: UnsafeMutablePointer<Float>
    private let floats: Int

    init(floats: Int) {
        self.floats = floats
        unsafe storage = .allocate(capacity: floats)
        unsafe storage.initialize(repeating: 0, count: floats)
    }

    func copy() -> CachePage {
        let page = CachePage(floats: floats)
        unsafe page.storage.update(from: storage, count: floats)
        return page
    }

    deinit { unsafe storage.deallocate() }
}
