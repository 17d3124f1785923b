import GLMKernels
import GLMModel
import Testing

@Suite struct SequenceCacheTests {
    static func layout(_ format: CacheFormat = .float32) throws -> CacheLayout {
        let configuration = try GLMConfigurationTests.load([
            "indexer_types": "[\"full\",\"shared\",\"full\",\"shared\"]"
        ])
        return CacheLayout(configuration, layers: 0..<4, format: format)
    }

    @Test func layoutHasNoIndexKeysInSharedLayers() throws {
        let layout = try Self.layout()
        #expect(layout.attentionWidth == 32)
        #expect(layout.indexOffsets.map { $0 == nil } == [false, true, false, true])
        #expect(layout.pageBytes == 64 * 4 * (4 * 32 + 2 * 16))
        #expect(layout.bytesPerToken == 4 * (4 * 32 + 2 * 16))
    }

    /// 32 elements a row and 16 an index key, which 2 of the 4 layers have; C = 24, R = 8.
    @Test func bytesFollowTheFormat() throws {
        #expect(try Self.layout(.bfloat16).bytesPerToken == 2 * (4 * 32 + 2 * 16))
        #expect(try Self.layout(.fp8).bytesPerToken == 4 * (24 + 4 + 2 * 8) + 2 * (16 + 4))
        // The released model: 656 bytes a token and layer, 132 an index key.
        #expect(CacheRow(.fp8, latent: 512, rope: 64).bytes == 656)
        #expect(CacheRow(.fp8, latent: 128).bytes == 132)
    }

    private static func write(_ value: Float, at position: Int, in cache: SequenceCache) {
        let row = [Float](repeating: value, count: cache.layout.attentionWidth)
        row.withUnsafeBufferPointer { row in
            guard let row = row.baseAddress else { return }
            cache.store(row, attentionOf: 1, position: position, kernels: .table(.baseline))
        }
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
        for position in 0..<length { Self.write(Float(position), at: position, in: first) }
        first.advance(length)
        var second = first
        second.truncate(to: length - 1)
        second.reserve(1)
        Self.write(-1, at: length - 1, in: second)
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

    /// Large pages are claimed several at a time; copies never hand out the same one twice.
    @Test func copiesDoNotShareSparePages() throws {
        let layout = CacheLayout(latentRank: 512, ropeDimension: 64, indexWidth: 128, format: .float32)
        var first = SequenceCache(layout: layout)
        first.reserve(64)
        var second = first
        first.advance(64)
        second.advance(64)
        first.reserve(64)
        second.reserve(64)
        let rows = [[Float](repeating: 1, count: 576), [Float](repeating: 2, count: 576)]
        for (index, cache) in [first, second].enumerated() {
            rows[index].withUnsafeBufferPointer { row in
                guard let row = row.baseAddress else { return }
                cache.store(row, attentionOf: 0, position: 64, kernels: .table(.baseline))
            }
        }
        first.advance(1)
        second.advance(1)
        #expect(first.attentionRows(layer: 0, columns: 0..<1).last == 1)
        #expect(second.attentionRows(layer: 0, columns: 0..<1).last == 2)
        // A page that was used and given up comes back empty.
        first.truncate(to: 64)
        first.reserve(64)
        first.advance(64)
        #expect(first.attentionRows(layer: 0, columns: 0..<1)[64...].allSatisfy { $0 == 0 })
    }
}
