import GLMKernels
import Testing

/// Cache rows in pages of 64 that lie anywhere, the last page cut off behind its last row.
private final class PagedRows {
    let pages: UnsafeMutablePointer<UnsafePointer<Float>>
    private let owners: [GuardedBytes]

    init(count: Int, width: Int, seed: UInt64) throws {
        var owners: [GuardedBytes] = []
        for first in stride(from: 0, to: max(1, count), by: KeyRows.pageTokens) {
            owners.append(
                try activations(
                    min(KeyRows.pageTokens, max(1, count - first)) * width, seed: seed &+ UInt64(first)))
        }
        pages = .allocate(capacity: owners.count)
        for (index, owner) in owners.enumerated() {
            (pages + index).initialize(to: UnsafePointer(owner.floats))
        }
        self.owners = owners
    }

    deinit { pages.deallocate() }
}

/// heads, width, latent width, rows in the cache, positions read.
private let shapes: [(Int, Int, Int, Int, [Int32]?)] = [
    (1, 1, 1, 1, nil), (2, 17, 16, 7, nil), (7, 31, 9, 65, nil), (6, 64, 64, 129, [0, 3, 64, 65, 127, 128]),
    (13, 130, 127, 200, [199]), (5, 48, 40, 70, [1, 2, 3, 4, 5, 60, 61, 62, 63, 64, 65, 66, 67, 68]),
    (64, 576, 512, 130, nil), (9, 80, 72, 256, nil), (9, 80, 72, 257, nil), (3, 33, 20, 700, nil),
    (16, 320, 256, 600, (0..<520).map { Int32($0 + $0 / 8) }),
]

private func attend(
    _ level: InstructionSet, _ shape: (Int, Int, Int, Int, [Int32]?), heads: Range<Int>, naive: Bool
) throws
    -> [Float]
{
    let (allHeads, width, latent, count, positions) = shape
    let rows = try PagedRows(count: count, width: width, seed: 5)
    let query = try activations(allHeads * width, seed: 3)
    let run = { (keys: KeyRows) in
        let floats = Kernels.attentionScratch(heads: heads.count, latentWidth: latent, keys: keys.count)
        let scratch = try GuardedBytes(count: floats * 4)
        return try results(heads.count * latent) { output in
            let q = query.floats + heads.lowerBound * width
            if naive {
                NaiveKernels(level).attend(
                    query: q, heads: heads.count, width: width, latentWidth: latent, scale: 0.3, keys: keys,
                    scratch: scratch.floats, output: output)
            } else {
                Kernels.table(level).attend(
                    query: q, heads: heads.count, width: width, latentWidth: latent, scale: 0.3, keys: keys,
                    scratch: scratch.floats, output: output)
            }
        }
    }
    guard let positions else { return try run(KeyRows(pages: rows.pages, width: width, count: count)) }
    return try positions.withUnsafeBufferPointer {
        try run(KeyRows(pages: rows.pages, width: width, positions: $0.baseAddress, count: positions.count))
    }
}

@Test(arguments: levels, shapes.indices)
func attentionEqualsItsTwin(level: InstructionSet, index: Int) throws {
    let shape = shapes[index]
    let fast = try attend(level, shape, heads: 0..<shape.0, naive: false)
    #expect(try bits(fast) == bits(attend(level, shape, heads: 0..<shape.0, naive: true)))
    // Heads cut in two give the same.
    let half = shape.0 / 2
    if half > 0 {
        let parts =
            try attend(level, shape, heads: 0..<half, naive: false)
            + attend(level, shape, heads: half..<shape.0, naive: false)
        #expect(bits(parts) == bits(fast))
    }
}

@Test(arguments: levels, shapes.indices)
func attentionInPartsEqualsTheWhole(level: InstructionSet, index: Int) throws {
    let (heads, width, latent, count, positions) = shapes[index]
    let kernels = Kernels.table(level)
    let rows = try PagedRows(count: count, width: width, seed: 5)
    let query = try activations(heads * width, seed: 3)
    let whole = try attend(level, shapes[index], heads: 0..<heads, naive: false)
    let run = { (keys: KeyRows) in
        let scores = try GuardedBytes(count: heads * keys.count * 4)
        let third = keys.count / 3
        for range in [third..<keys.count, 0..<third] {
            kernels.attentionScores(
                query: query.floats, heads: heads, width: width, keys: keys, range: range,
                output: scores.floats + range.lowerBound, stride: keys.count)
        }
        // Columns in two parts, the last one first; the blocks are merged in their order, the last heads first.
        let cut = latent / 2 / 64 * 64
        var all: [SoftmaxSum] = []
        let total = try results(heads * latent) { total in
            for block in 0..<Kernels.attentionBlocks(keys.count) {
                let own = Kernels.attentionKeys(block, of: keys.count)
                let weights = scores.floats + own.lowerBound
                let found = (0..<heads).map {
                    kernels.softmaxWeights(weights + $0 * keys.count, scale: 0.3, count: own.count)
                }
                let sum = { (output: UnsafeMutablePointer<Float>) in
                    for columns in [cut..<latent, 0..<cut] where !columns.isEmpty {
                        kernels.attentionSums(
                            block: block, columns, weights: weights, stride: keys.count, heads: heads,
                            latentWidth: latent, keys: keys, output: output)
                    }
                }
                if block == 0 {
                    sum(total)
                    all = found
                } else {
                    var values = [Float](repeating: 0, count: heads * latent)
                    values.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { sum(base) } }
                    for part in [heads / 2..<heads, 0..<heads / 2] {
                        kernels.attentionMerge(
                            values, found, heads: part, latentWidth: latent, into: total, &all)
                    }
                }
            }
            kernels.attentionEnd(total, all, heads: 0..<heads, latentWidth: latent)
        }
        #expect(bits(total) == bits(whole))
    }
    guard let positions else { return try run(KeyRows(pages: rows.pages, width: width, count: count)) }
    try positions.withUnsafeBufferPointer {
        try run(KeyRows(pages: rows.pages, width: width, positions: $0.baseAddress, count: positions.count))
    }
}

/// The order of additions is that of blocks: one block of all keys gives other bits, so the tests above can fail.
@Test(arguments: levels)
func blocksOfKeysShowInTheBits(level: InstructionSet) throws {
    let (heads, width, latent, count) = (3, 33, 20, 700)
    let rows = try PagedRows(count: count, width: width, seed: 5)
    let keys = KeyRows(pages: rows.pages, width: width, count: count)
    let query = try activations(heads * width, seed: 3)
    let naive = NaiveKernels(level)
    let blocks = try attend(level, (heads, width, latent, count, nil), heads: 0..<heads, naive: false)
    var chain: [Float] = []
    for h in 0..<heads {
        var weights = (0..<count).map { j in
            naive.dot(width, { query.floats[h * width + $0] }, { keys.row(j)[$0] })
        }
        let found = naive.softmaxWeights(&weights, scale: 0.3, count: count)
        for c in 0..<latent {
            var sum: Float = 0
            for j in 0..<count { sum.addProduct(weights[j], keys.row(j)[c]) }
            chain.append(sum * (1 / found.sum))
        }
    }
    #expect(bits(chain) != bits(blocks))
    #expect(zip(chain, blocks).allSatisfy { abs($0 - $1) < 1e-5 })
}

/// A block of −∞ alone weighs nothing beside another; alone it makes NaN, as softmax does, and so does a NaN anywhere.
@Test(arguments: levels)
func blocksThatWeighNothing(level: InstructionSet) {
    let merged = { (naive: Bool, scores: [[Float]]) -> Float in
        let kernels = Kernels.table(level), twin = NaiveKernels(level)
        var all = SoftmaxSum(largest: -.infinity, sum: 0)
        var value: Float = 0
        for (index, block) in scores.enumerated() {
            var weights = block
            let found =
                naive
                ? twin.softmaxWeights(&weights, scale: 1, count: weights.count)
                : kernels.softmaxWeights(&weights, scale: 1, count: weights.count)
            // Every key of block i has the value i + 1.
            let sum = weights.reduce(0, +) * Float(index + 1)
            if index == 0 {
                (all, value) = (found, sum)
            } else {
                withUnsafePointer(to: sum) {
                    if naive {
                        twin.softmaxMerge($0, found, count: 1, into: &value, &all)
                    } else {
                        kernels.softmaxMerge($0, found, count: 1, into: &value, &all)
                    }
                }
            }
        }
        return value / all.sum
    }
    for naive in [false, true] {
        #expect(merged(naive, [[-.infinity, -.infinity], [1, 1]]) == 2)
        #expect(merged(naive, [[1, 1], [-.infinity]]) == 1)
        #expect(merged(naive, [[-.infinity], [-.infinity], [3]]) == 3)
        #expect(merged(naive, [[-.infinity], [-.infinity], [3], [-.infinity]]) == 3)
        #expect(merged(naive, [[3], [3], [3]]) == 2)
        #expect(merged(naive, [[-200], [3]]) == 2 && merged(naive, [[200], [3]]) == 1)
        #expect(merged(naive, [[-.infinity], [-.infinity]]).isNaN)
        #expect(merged(naive, [[1], [.nan], [2]]).isNaN && merged(naive, [[1], [.infinity], [2]]).isNaN)
    }
}

@Test(arguments: levels)
func attentionIsCloseToExact(level: InstructionSet) throws {
    let width = 40, latent = 32, count = 100, heads = 3
    let rows = try PagedRows(count: count, width: width, seed: 5)
    let keys = KeyRows(pages: rows.pages, width: width, count: count)
    let query = try activations(heads * width, seed: 3)
    let fast = try attend(level, (heads, width, latent, count, nil), heads: 0..<heads, naive: false)
    for h in 0..<heads {
        let scores = (0..<count).map { j in
            0.3
                * (0..<width).reduce(0.0) {
                    $0 + Double(query.floats[h * width + $1]) * Double(keys.row(j)[$1])
                }
        }
        let weights = scores.map { power(scores.max() ?? 0, $0) }
        let total = weights.reduce(0, +)
        for c in 0..<latent {
            let exact = (0..<count).reduce(0.0) { $0 + weights[$1] * Double(keys.row($1)[c]) } / total
            #expect(abs(exact - Double(fast[h * latent + c])) < 1e-6)
        }
    }
}

/// e^(score − largest) in Double, by repeated squaring of a short series: no library needed.
private func power(_ largest: Double, _ score: Double) -> Double {
    let x = (score - largest) / 1024
    var value = 1 + x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))))
    for _ in 0..<10 { value *= value }
    return value
}

@Test(arguments: levels)
func attentionOverNothingIsZero(level: InstructionSet) throws {
    let rows = try PagedRows(count: 1, width: 8, seed: 1)
    let query = try activations(16)
    let output = try results(12) {
        Kernels.table(level).attend(
            query: query.floats, heads: 2, width: 8, latentWidth: 6, scale: 1,
            keys: KeyRows(pages: rows.pages, width: 8, count: 0), scratch: $0, output: $0)
    }
    #expect(output == [Float](repeating: 0, count: 12))
}

/// Keys in pages turned on their side.
private final class PagedColumns {
    let row: CacheRow
    let pages: UnsafeMutablePointer<UnsafeRawPointer>
    /// The keys as they were before they were stored, `[count, dim]`.
    let keys: [Float]
    private let owners: [GuardedBytes]

    init(count: Int, dim: Int, format: CacheFormat, seed: UInt64) throws {
        row = CacheRow(format, latent: dim)
        let source = try activations(count * dim, seed: seed)
        keys = (0..<count * dim).map { source.floats[$0] }
        var owners: [GuardedBytes] = []
        for _ in 0..<(count + 63) / 64 { owners.append(try GuardedBytes(count: 64 * row.bytes)) }
        pages = .allocate(capacity: owners.count)
        for (index, owner) in owners.enumerated() {
            (pages + index).initialize(to: UnsafeRawPointer(owner.base))
        }
        self.owners = owners
        for key in 0..<count {
            Kernels.table(.baseline).storeColumn(
                source.floats + key * dim, as: row, page: owners[key / 64].base, slot: key % 64)
        }
    }

    deinit { pages.deallocate() }
}

private let indexShapes = [
    (1, 1, 1), (2, 33, 40), (3, 17, 7), (32, 128, 130), (8, 9, 65), (7, 130, 129), (13, 256, 97),
]

@Test(arguments: [1, 2, 3, 16, 21, 128], [0, 2])
func everyLineOfTheNextKeysIsAskedForOnce(dim: Int, shift: Int) {
    for heads in 1...40 {
        var lines: [Int] = []
        var first = 0
        while first < heads {
            let asked = indexLinesAsked(first: first, heads: heads)
            for line in 0..<(asked * dim) {
                lines.append(indexLine(first * dim / 8 + line, dim: dim, shift: shift))
            }
            first += heads - first >= 8 ? 8 : heads - first >= 4 ? 4 : 1
        }
        #expect(lines.sorted() == Array(0..<(2 * dim)), "\(heads) heads")
    }
    for tiles in 1...14 {
        let lines = (0..<tiles).flatMap { tile in
            (0..<indexLinesAsked(tile: tile, of: tiles) * dim).map {
                indexLine(tile * dim + $0, dim: dim, shift: shift)
            }
        }
        #expect(lines.sorted() == Array(0..<(2 * dim)), "\(tiles) tiles")
    }
}

/// Whatever the tiles of heads are, of each four lines of cache rows each is asked for once.
@Test(arguments: [3, 6])
func everyLineOfLaterRowsIsAskedForOnce(width: Int) {
    for heads in 1...64 {
        let lines = stride(from: 0, to: heads, by: width).flatMap {
            Array(attentionLinesAsked($0, min(width, heads - $0), of: heads))
        }
        #expect(lines == [0, 1, 2, 3], "\(heads) heads")
    }
}

@Test(arguments: levels, CacheFormat.allCases)
func indexScoresEqualTheirTwin(level: InstructionSet, format: CacheFormat) throws {
    for (heads, dim, count) in indexShapes {
        let stored = try PagedColumns(count: count, dim: dim, format: format, seed: 9)
        let columns = KeyColumns(pages: stored.pages, row: stored.row, count: count)
        let query = try activations(heads * dim), weights = try activations(heads)
        let score = { (ranges: [Range<Int>], output: UnsafeMutablePointer<Float>) in
            for range in ranges {
                Kernels.table(level).indexScores(
                    query: query.floats, headWeights: weights.floats, heads: heads, scale: 0.2,
                    keys: columns, range: range, output: output)
            }
        }
        let whole = try results(count) { score([0..<count], $0) }
        let twin = try results(count) {
            NaiveKernels(level).indexScores(
                query: query.floats, headWeights: weights.floats, heads: heads, scale: 0.2, keys: columns,
                range: 0..<count, output: $0)
        }
        #expect(bits(whole) == bits(twin))
        // However keys are asked for.
        for once in [false, true] {
            let asked = try results(count) {
                Kernels.table(level).fetching(once: once).indexScores(
                    query: query.floats, headWeights: weights.floats, heads: heads, scale: 0.2, keys: columns,
                    range: 0..<count, output: $0)
            }
            #expect(bits(asked) == bits(whole))
        }
        // Any cut of the keys gives the same.
        let cut = count / 3
        #expect(try bits(results(count) { score([0..<cut, cut..<count], $0) }) == bits(whole))
        // Negative control: without the rectifier the scores differ.
        let plain = (0..<count).map { j in
            (0..<heads).reduce(Float(0)) { sum, h in
                sum + weights.floats[h] * 0.2
                    * (0..<dim).reduce(0) { $0 + query.floats[h * dim + $1] * stored.keys[j * dim + $1] }
            }
        }
        if heads > 1 { #expect(zip(plain, whole).contains { abs($0 - $1) > 1e-3 }) }
    }
}

@Test(arguments: CacheFormat.allCases)
func columnsKeepWhatRowsKeep(format: CacheFormat) throws {
    let dim = 130, count = 70
    let stored = try PagedColumns(count: count, dim: dim, format: format, seed: 4)
    let kernels = Kernels.table(.baseline)
    let row = try GuardedBytes(count: stored.row.bytes)
    let source = try activations(dim)
    for key in [0, 1, 63, 64, 69] {
        for d in 0..<dim { source.floats[d] = stored.keys[key * dim + d] }
        kernels.store(source.floats, as: stored.row, to: row.base)
        let expected = try results(stored.row.decodedStride) {
            kernels.load(row.base, as: stored.row, into: $0)
        }
        let found = try results(dim) {
            kernels.loadColumn(stored.pages[key / 64], as: stored.row, slot: key % 64, into: $0)
        }
        #expect(bits(found) == bits(Array(expected.prefix(dim))))
    }
    // A copied key is the key; its neighbour is not.
    let copy = try GuardedBytes(count: 64 * stored.row.bytes)
    kernels.copyColumn(as: stored.row, from: stored.pages[1], slot: 5, to: copy.base, slot: 60)
    let moved = try results(dim) { kernels.loadColumn(copy.base, as: stored.row, slot: 60, into: $0) }
    let original = try results(dim) { kernels.loadColumn(stored.pages[1], as: stored.row, slot: 5, into: $0) }
    let neighbour = try results(dim) {
        kernels.loadColumn(stored.pages[1], as: stored.row, slot: 4, into: $0)
    }
    #expect(bits(moved) == bits(original))
    #expect(bits(moved) != bits(neighbour))
}
