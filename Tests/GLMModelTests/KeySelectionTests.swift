import GLMKernels
import GLMModel
import GLMTensor
import Testing

@Suite struct KeySelectionTests {
    @Test func rowsWithinTheBoundAreDense() {
        var selection = KeySelection(visible: [1, 4, 5, 9], topK: 4)
        #expect((0..<4).map(selection.isDense) == [true, true, false, false])
        #expect((0..<4).map(selection.count) == [1, 4, 4, 4])
        selection.fill { storage, bounds in
            for (index, position) in [0, 1, 3, 4].enumerated() {
                storage[bounds[2] + index] = Int32(position)
            }
            for (index, position) in [2, 4, 6, 8].enumerated() {
                storage[bounds[3] + index] = Int32(position)
            }
        }
        #expect(selection[0] == .all(1))
        #expect(selection[2] == .positions([0, 1, 3, 4]))
        #expect(selection[3] == .positions([2, 4, 6, 8]))
        #expect(selection != KeySelection(denseOver: [1, 4, 5, 9]))
    }

    @Test func theMostRecentKeys() {
        let selection = KeySelection(recent: 3, visible: [1, 3, 4, 9])
        #expect(selection[0] == .all(1))
        #expect(selection[1] == .all(3))
        #expect(selection[2] == .positions([1, 2, 3]))
        #expect(selection[3] == .positions([6, 7, 8]))
        #expect(selection != KeySelection(recent: 2, visible: [1, 3, 4, 9]))
    }

    /// A row alone is cut into pieces of pages among threads; one thread takes it in pieces of its own.
    @Test(arguments: [63, 65, 2047, 2049, 5000, 9000])
    func piecesOfALoneRowCoverItsKeys(count: Int) {
        func wave(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 37) % 101) / 50 - 1 } }
        let query = Tensor(shape: [1, 12], values: wave(12))
        let weights = Tensor(shape: [1, 3], values: [1, -0.5, 2])
        var keys = Tensor(shape: [count, 4], values: wave(count * 4))
        func scores(threads: Int) -> [Float] {
            let compute = Compute(kernels: .table(.best), pool: ThreadPool(threads: threads))
            return IndexScoring(heads: 3, dimension: 4, compute: compute)
                .scores(queries: query, headWeights: weights, keys: keys, visible: [count]).values
        }
        let alone = scores(threads: 1)
        #expect(scores(threads: 2) == alone)
        #expect(scores(threads: 3) == alone)
        // Negative control: every key counts, the last one too.
        keys.values[count * 4 - 1] += 1
        keys.values[count * 4 - 2] += 1
        #expect(scores(threads: 2) != alone)
    }

    @Test func emptySelectionHasNoRows() {
        #expect(KeySelection(denseOver: []).rowCount == 0)
    }
}
