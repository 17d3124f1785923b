import GLMKernels
import Testing

/// Pages of one slab follow one another, those of the next lie elsewhere; a page that was copied lies anywhere.
@Test func equalDistancesMakeOneStretch() throws {
    let memory = try GuardedBytes([Float](repeating: 0, count: 4096))
    let base = UnsafeRawPointer(memory.base)
    let places = [0, 1024, 2048, 8192, 8256, 8320, 4096, 16000].map { base + $0 }
    func several(_ offset: Int, count: Int, step: Int) -> MemoryStretch {
        // Rows of 64 bytes in matrices that are `step` bytes apart.
        let row = WeightView(
            format: .float32, base: base + offset, rows: 1, columns: 16, rowStride: 16)
        return MemoryStretch(row, repeated: count - 1, rowStep: step / 64)
    }
    let made = MemoryStretch.pieces(of: 64, at: places, count: 8)
    #expect(
        made == [
            several(0, count: 3, step: 1024), several(8192, count: 3, step: 64),
            several(4096, count: 2, step: 11904),
        ])
    #expect(
        MemoryStretch.pieces(of: 64, at: places, count: 4)
            == [several(0, count: 3, step: 1024), MemoryStretch(base: base + 8192, bytes: 64)])
    #expect(MemoryStretch.pieces(of: 64, at: places, count: 0) == [])
    // Negative control: one distance that differs.
    let moved = places.enumerated().map { $0.offset == 2 ? $0.element + 64 : $0.element }
    #expect(MemoryStretch.pieces(of: 64, at: moved, count: 8) != made)
}

/// Pages that lie in descending order, or so near that they overlap, are stretches of their own, and threads
/// ask for their shares of them.
@Test(arguments: [[4096, 0], [8192, 4096, 0], [0, 32, 64], [0, 0]])
func placesThatFollowNoOrder(offsets: [Int]) throws {
    let memory = try GuardedBytes([Float](repeating: 0, count: 4096))
    let places = offsets.map { UnsafeRawPointer(memory.base) + $0 }
    let made = MemoryStretch.pieces(of: 64, at: places, count: places.count)
    #expect(made == places.map { MemoryStretch(base: $0, bytes: 64) })
    let pool = ThreadPool(threads: 2)
    pool.readsNext(made)
    pool.parallel(2) { (_: Int) in }
    pool.willRead(made)
    pool.parallel(2) { (_: Int) in }
}
