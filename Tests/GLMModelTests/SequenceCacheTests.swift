import GLMModel
import Testing

@Suite struct SequenceCacheTests {
    static func layout() throws -> CacheLayout {
        let configuration = try GLMConfigurationTests.load([
            "indexer_types": "[\"full\",\"shared\",\"full\",\"shared\"]"
        ])
        return CacheLayout(configuration, layers: 0..<4)
    }

    @Test func layoutHasNoIndexKeysInSharedLayers() throws {
        let layout = try Self.layout()
        #expect(layout.attentionWidth == 32)
        #expect(layout.indexOffsets.map { $0 == nil } == [false, true, false, true])
        #expect(layout.pageFloats == 64 * (4 * 32 + 2 * 16))
        #expect(layout.bytesPerToken == 4 * (4 * 32 + 2 * 16))
    }

    @Test func pagesComeAndGoWithTheTokens() throws {
        var cache = SequenceCache(layout: try Self.layout())
        #expect(cache.pageCount == 0)
        for (length, pages) in [(1, 1), (64, 1), (65, 2), (200, 4)] {
            cache.reserve(length - cache.length)
            cache.advance(length - cache.length)
            #expect(cache.pageCount == pages)
        }
        cache.truncate(to: 128)
        #expect((cache.length, cache.pageCount) == (128, 2))
        cache.truncate(to: 0)
        #expect((cache.length, cache.pageCount) == (0, 0))
    }

    /// Writing through one copy never shows in the other, at any place in a page.
    @Test(arguments: [1, 63, 64, 65, 127, 128])
    func copiesAreValues(length: Int) throws {
        var first = SequenceCache(layout: try Self.layout())
        first.reserve(length)
        for position in 0..<length { first.attentionRow(layer: 1, position: position)[0] = Float(position) }
        first.advance(length)
        var second = first
        second.truncate(to: length - 1)
        second.reserve(1)
        second.attentionRow(layer: 1, position: length - 1)[0] = -1
        second.advance(1)
        #expect(first.attentionRows(layer: 1, columns: 0..<1) == (0..<length).map { Float($0) })
        #expect(second.attentionRows(layer: 1, columns: 0..<1) == (0..<(length - 1)).map { Float($0) } + [-1])
    }

    /// Nothing leaks: pages follow the length through ten thousand advances and truncations.
    @Test func historyLeavesNoPages() throws {
        var cache = SequenceCache(layout: try Self.layout())
        for round in 0..<10_000 {
            let added = 1 + round * 7 % 9
            cache.reserve(added)
            cache.advance(added)
            cache.truncate(to: max(0, cache.length - (round * 5 % 13)))
            #expect(cache.pageCount == (cache.length + 63) / 64)
        }
    }
}
